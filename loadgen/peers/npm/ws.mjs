// What the publisher sends is sent to every other connection in a loop.
import { WebSocketServer } from 'ws';
import { announce } from './announce.mjs';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4096, perMessageDeflate: false });
const subscribers = new Set();

server.on('connection', (socket, request) => {
  if (request.url === '/subscribe') {
    subscribers.add(socket);
    socket.on('close', () => subscribers.delete(socket));
  } else {
    socket.on('message', (data) => {
      for (const subscriber of subscribers) subscriber.send(data, { binary: false });
    });
  }
  socket.on('error', () => {});
  socket.send('ready');
});
server.on('listening', () => announce('ws', server.address().port));
