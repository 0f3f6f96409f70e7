/**
 * Which order for each server is the newest that was heard, so that a late one, of a taskmanager that was replaced
 * since, is known and carried out no more. Kept in memory, for the last that were heard of.
 */

/** Of how many servers it is remembered: more than a machine has, and those that it lately had. */
export const maxRemembered = 10_000

export interface NewestOrders {
  /** Call when an order comes. */
  readonly hear: (server: string, order: number) => void
  /** Whether a newer one has come since. */
  readonly isLate: (server: string, order: number) => boolean
}

export const make = (): NewestOrders => {
  const newest = new Map<string, number>()
  return {
    hear: (server, order) => {
      const known = Math.max(order, newest.get(server) ?? order)
      // At the end again: the first is the one that was not heard of for the longest.
      newest.delete(server)
      newest.set(server, known)
      if (newest.size <= maxRemembered) return
      for (const oldest of newest.keys()) {
        newest.delete(oldest)
        return
      }
    },
    isLate: (server, order) => order < (newest.get(server) ?? order)
  }
}
