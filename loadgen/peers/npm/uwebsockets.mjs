// What the publisher sends is published to a topic that every other connection subscribes to.
import uWS from 'uwebsockets';
import { announce } from './announce.mjs';

const app = uWS.App();

function upgrade(publishes) {
  return (res, req, context) => {
    res.upgrade(
      { publishes },
      req.getHeader('sec-websocket-key'),
      req.getHeader('sec-websocket-protocol'),
      req.getHeader('sec-websocket-extensions'),
      context,
    );
  };
}

const common = {
  // Its default drops messages for a connection that is 64 KiB behind; none may be lost here.
  maxBackpressure: 64 << 20,
  idleTimeout: 0,
  compression: uWS.DISABLED,
};

app.ws('/subscribe', {
  ...common,
  upgrade: upgrade(false),
  open(ws) {
    ws.subscribe('all');
    ws.send('ready');
  },
});
app.ws('/publish', {
  ...common,
  upgrade: upgrade(true),
  open(ws) {
    ws.send('ready');
  },
  message(_ws, message) {
    app.publish('all', message, false);
  },
});
app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('cannot listen');
  announce('uwebsockets', uWS.us_socket_local_port(socket));
});
