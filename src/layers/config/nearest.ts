/** The known name that is closest to one that is not known: what was probably meant. */

/** How many characters must be put in, taken out or changed to get from one to the other. */
export const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n)
  for (const [n, character] of [...from].entries()) {
    const next = [n + 1]
    for (let m = 1; m <= to.length; m++) {
      const change = (row[m - 1] ?? 0) + (character === to[m - 1] ? 0 : 1)
      next.push(Math.min(change, (row[m] ?? 0) + 1, (next[m - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}

/** What is longer is compared by its beginning: whoever wrote it meant none of ours. */
const maxLength = 100

export const nearest = (name: string, known: ReadonlyArray<string>): string => {
  const far = (candidate: string) => distance(name.slice(0, maxLength), candidate)
  return known.reduce((best, candidate) => (far(candidate) < far(best) ? candidate : best), known[0] ?? "")
}
