// A client that is a program: a driver in `drivers`, which writes its reports on stdout.

import { spawn } from 'node:child_process';
import readline from 'node:readline';

import { Recorder } from './recorder.js';

/** Starts a program for the length of `test`: `[command, ...args]`, and the arguments of a driver. */
export function startProgram(test, [command, ...args], url, end) {
  const recorder = new Recorder();
  const child = spawn(command, [...args, url, end], { stdio: ['ignore', 'pipe', 'pipe'] });
  test.after(() => child.kill('SIGKILL'));
  child.on('error', (error) => recorder.add({ error: error.message, closed: true }));
  readline.createInterface({ input: child.stdout }).on('line', (line) => recorder.add(JSON.parse(line)));
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { complaints += text; });
  child.on('close', (status) => {
    if (status) recorder.add({ error: complaints.trim().split('\n').at(-1) || `exit status ${status}` });
    recorder.add({ closed: true });
    recorder.hasExited = true;
  });
  return recorder;
}
