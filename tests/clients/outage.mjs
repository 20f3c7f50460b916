// The client's side of the proxy's control (see proxy.mjs).

const control = process.env.GUILDHALL_PROXY;

async function command(method, path) {
  const response = await fetch(control + path, { method });
  if (!response.ok) throw new Error(`proxy ${path}: status ${response.status}`);
  return response.json();
}

/** Resets every connection and holds new ones. With `serverKnows: false` the server's side stays open. */
export async function cut({ serverKnows }) {
  const { cut: count } = await command('POST', serverKnows ? '/cut' : '/cut?server=open');
  if (count === 0) throw new Error('the proxy had no connection to cut');
}

/** Waits until the client has dialled again and is being held. */
export async function dialledAgain() {
  for (;;) {
    const { held } = await command('GET', '/state');
    if (held > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Lets held and new connections through. */
export function release() {
  return command('POST', '/release');
}
