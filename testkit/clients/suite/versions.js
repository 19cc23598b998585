// The versions of the clients, as they are pinned.

import { readFile } from 'node:fs/promises';

/** The versions of a client's packages. Those of Debian are not pinned. */
export async function versions({ source, packages }) {
  const find = SOURCES[source];
  return find ? (await Promise.all(packages.map(find))).join(', ') : '';
}

const SOURCES = {
  npm: async (name) => JSON.parse(await read('package.json')).dependencies[name].split('@').at(-1),
  PyPI: async (name) => match('requirements.txt', `^${name}==(.*)$`),
  'crates.io': async (name) => match('cargo/Cargo.lock', `^name = "${name}"\nversion = "(.*)"$`),
};

async function match(file, pattern) {
  return (await read(file)).match(new RegExp(pattern, 'm'))[1];
}

function read(file) {
  return readFile(new URL(`../${file}`, import.meta.url), 'utf8');
}
