// The output of a driver: lines of JSON, which `suite/client.js` reads.

/** Reports `{ open }`, `{ event: { name, data, id } }`, `{ error }` or `{ closed }`. */
export function report(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Reports that the client has stopped, and ends the driver when all is written. */
export function end() {
  process.stdout.write(`${JSON.stringify({ closed: true })}\n`, () => process.exit());
}

/** Where the client connects, and the event after which the application closes it. */
export const [, , URL_OF_STREAM, END] = process.argv;

/** The names of the events that clients with a listener for each name listen for. */
export const NAMES = ['message', 'position', 'reset', END];

// An application has more to do: some clients do not keep node alive while they wait to reconnect.
setInterval(() => {}, 1_000_000);
