/** Listeners by event name, for Node and browsers alike. */
export class Listeners<Events extends Record<keyof Events, (argument: never) => void>> {
  private readonly byEvent = new Map<keyof Events, Set<(argument: never) => void>>();

  on<Name extends keyof Events>(event: Name, listener: Events[Name]): void {
    const listeners = this.byEvent.get(event);
    if (listeners) listeners.add(listener);
    else this.byEvent.set(event, new Set([listener]));
  }

  off<Name extends keyof Events>(event: Name, listener: Events[Name]): void {
    this.byEvent.get(event)?.delete(listener);
  }

  emit<Name extends keyof Events>(event: Name, argument: Parameters<Events[Name]>[0]): void {
    for (const listener of [...(this.byEvent.get(event) ?? [])]) {
      try {
        listener(argument);
      } catch (error) {
        // A listener's bug is to be seen, and must not stop the client in the middle of what it does.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
