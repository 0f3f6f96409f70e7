/** What happened in a simulated life, in order and with its virtual time: what a failing seed is understood by. */

export type Kind = "asks" | "fault" | "life" | "step" | "guest" | "wrong"

export interface Line {
  /** Milliseconds since the life began. */
  readonly at: number
  readonly kind: Kind
  readonly text: string
}

export class Story {
  readonly lines: Array<Line> = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  tell(kind: Kind, text: string) {
    this.lines.push({ at: this.#now(), kind, text })
  }
}

const clock = (at: number) => {
  const seconds = Math.floor(at / 1000)
  const pad = (n: number, width: number) => String(n).padStart(width, "0")
  return `${pad(Math.floor(seconds / 60), 3)}:${pad(seconds % 60, 2)}.${pad(Math.floor(at) % 1000, 3)}`
}

export const print = (lines: ReadonlyArray<Line>): string =>
  lines.map(({ at, kind, text }) => `${clock(at)}  ${kind.padEnd(6)}${text}`).join("\n")
