// What the publisher sends in the namespace /publish is emitted to everyone in the main one.
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { announce } from './announce.mjs';

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });

io.of('/publish').on('connection', (socket) => {
  socket.on('publish', (text) => io.emit('message', text));
});
io.on('connection', () => {});
http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => announce('socket.io', http.address().port));
