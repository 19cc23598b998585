// An EventSource in a page, and what it has heard.

export class Source {
  /** Opens `path` in `page`, and listens to messages and to events of the `names`. */
  static async open(page, path, names = []) {
    const handle = await page.evaluateHandle(
      ([path, names]) => {
        const source = new EventSource(path);
        const heard = [];
        const counts = { opens: 0, errors: 0 };
        source.onopen = () => { counts.opens += 1; };
        source.onerror = () => { counts.errors += 1; };
        for (const name of ['message', ...names]) {
          source.addEventListener(name, ({ type, data, lastEventId: id }) => {
            heard.push({ type, data, id });
          });
        }
        return { source, heard, counts };
      },
      [path, names],
    );
    return new Source(page, handle);
  }

  constructor(page, handle) {
    this.page = page;
    this.handle = handle;
  }

  /** Waits until there are so many events, and answers with all of them. */
  async heard(atLeast) {
    await this.until(([{ heard }, atLeast]) => heard.length >= atLeast, atLeast);
    return this.handle.evaluate(({ heard }) => heard);
  }

  /** Waits until there is an event with these data, and answers with all events. */
  async heardOf(data) {
    await this.until(([{ heard }, data]) => heard.some((event) => event.data === data), data);
    return this.handle.evaluate(({ heard }) => heard);
  }

  /** Waits until the stream is `connecting`, `open` or `closed`. */
  async is(state) {
    const states = ['connecting', 'open', 'closed'];
    await this.until(([{ source }, state]) => source.readyState === state, states.indexOf(state));
  }

  /** How often it was opened, and how often it failed. */
  counts() {
    return this.handle.evaluate(({ counts }) => counts);
  }

  close() {
    return this.handle.evaluate(({ source }) => source.close());
  }

  /** Waits until `condition` holds of the source in its page. */
  until(condition, argument) {
    return this.page.waitForFunction(condition, [this.handle, argument], { polling: 20 });
  }
}
