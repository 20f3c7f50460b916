// Screenshots for the repository: the same picture in fewer bytes.

import { deflateSync, inflateSync } from 'node:zlib';

/** What a pixel is foretold to be by its neighbours: the one of the format's five filters that is not a mean or a copy. */
function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

/** The rows of a picture without its filters, each with the byte that says so before it. */
function unfiltered(raw, width, height, pixel) {
  const length = width * pixel;
  const out = Buffer.alloc(height * (length + 1));
  for (let y = 0; y < height; y += 1) {
    const start = y * (length + 1) + 1;
    const filter = raw[start - 1];
    for (let x = 0; x < length; x += 1) {
      const left = x >= pixel ? out[start + x - pixel] : 0;
      const above = y > 0 ? out[start + x - length - 1] : 0;
      const corner = x >= pixel && y > 0 ? out[start + x - length - 1 - pixel] : 0;
      const added = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter];
      out[start + x] = raw[start + x] + added;
    }
  }
  return out;
}

/**
 * Packs a PNG of 8 bits and 3 or 4 channels, as Chromium writes them, more tightly: what has few colours and straight
 * edges is smaller without filters.
 */
export function smaller(png) {
  const chunks = [];
  for (let at = 8; at < png.length;) {
    const end = at + 12 + png.readUInt32BE(at);
    chunks.push({ name: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, end - 4), whole: png.subarray(at, end) });
    at = end;
  }
  const header = chunks[0].data;
  const pixel = { 2: 3, 6: 4 }[header[9]];
  if (header[8] !== 8 || !pixel || header[12] !== 0) return png;
  const raw = inflateSync(Buffer.concat(chunks.filter((it) => it.name === 'IDAT').map((it) => it.data)));
  const rows = unfiltered(raw, header.readUInt32BE(0), header.readUInt32BE(4), pixel);
  const packed = deflateSync(rows, { level: 9, memLevel: 9 });
  const body = Buffer.concat([Buffer.from('IDAT', 'latin1'), packed]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(packed.length, 0);
  frame.writeUInt32BE(checksum(body), 4);
  const data = Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  return Buffer.concat([png.subarray(0, 8), chunks[0].whole, data, chunks.at(-1).whole]);
}

/** The format's CRC-32. */
function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
