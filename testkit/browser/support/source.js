// An EventSource in a page, and the events that it has received.

export class Source {
  /** Opens `path` in `page`, and listens for messages and for events of the `names`. */
  static async open(page, path, names = []) {
    const handle = await page.evaluateHandle(
      ([path, names]) => {
        const source = new EventSource(path);
        const received = [];
        const counts = { opens: 0, errors: 0 };
        source.onopen = () => { counts.opens += 1; };
        source.onerror = () => { counts.errors += 1; };
        for (const name of ['message', ...names]) {
          source.addEventListener(name, ({ type, data, lastEventId: id }) => {
            received.push({ type, data, id });
          });
        }
        return { source, received, counts };
      },
      [path, names],
    );
    return new Source(page, handle);
  }

  constructor(page, handle) {
    this.page = page;
    this.handle = handle;
  }

  /** Waits for `count` events, and returns all that were received. */
  async events(count) {
    await this.until(([{ received }, count]) => received.length >= count, count);
    return this.handle.evaluate(({ received }) => received);
  }

  /** Waits for an event with these data, and returns all that were received. */
  async eventsUntil(data) {
    await this.until(([{ received }, data]) => received.some((event) => event.data === data), data);
    return this.handle.evaluate(({ received }) => received);
  }

  /** Waits until the stream is `connecting`, `open` or `closed`. */
  async waitFor(state) {
    const states = ['connecting', 'open', 'closed'];
    await this.until(([{ source }, state]) => source.readyState === state, states.indexOf(state));
  }

  /** How often the stream was opened, and how often it failed. */
  counts() {
    return this.handle.evaluate(({ counts }) => counts);
  }

  close() {
    return this.handle.evaluate(({ source }) => source.close());
  }

  /** Waits until `condition` holds in the page. */
  until(condition, argument) {
    return this.page.waitForFunction(condition, [this.handle, argument], { polling: 20 });
  }
}
