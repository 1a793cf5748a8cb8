// A primary of Node's cluster module: replaces workers that die, and on SIGUSR2 all of them, one after the other.
'use strict';

const cluster = require('node:cluster');
const path = require('node:path');

// As long as the example in the module's documentation waits before it kills.
const PATIENCE_MS = 2000;

cluster.setupPrimary({ exec: path.join(__dirname, 'server.js') });
for (let started = 0; started < Number(process.env.BENCH_WORKERS); started += 1) cluster.fork();

cluster.on('exit', (worker, code, signal) => {
  if (worker.exitedAfterDisconnect || worker.isLeaving) return;
  console.error(`worker ${worker.process.pid} died: ${signal ?? code}`);
  cluster.fork();
});

let restarting = false;
process.on('SIGUSR2', async () => {
  if (restarting) return;
  restarting = true;
  for (const old of Object.values(cluster.workers)) await replace(old);
  restarting = false;
});

async function replace(old) {
  await new Promise((resolve) => cluster.fork().once('listening', resolve));
  old.isLeaving = true;
  // It may die, or have died, at any moment.
  old.on('error', (error) => console.error(`worker ${old.process.pid}: ${error.message}`));
  if (!old.isConnected()) return;
  old.send('leave');
  old.disconnect();
  const end = setTimeout(() => old.kill('SIGKILL'), PATIENCE_MS);
  await new Promise((resolve) => old.once('exit', resolve));
  clearTimeout(end);
}
