/**
 * What the bench measures: rows, each of which gives figures; a figure is ours beside the limit, both taken in
 * the same run. The words and the statistics of all rows are here.
 */
import type { Effect, Scope } from "effect"

/** How much is done: `quick` is to see whether the bench works, its figures mean little. */
export interface Effort {
  readonly quick: boolean
  /** How many operations a row that counts them does; null: as many as it says by itself. */
  readonly operations: number | null
}

export interface Figure {
  readonly name: string
  readonly ours: string
  /** What bare tools do of the same, in the same run. */
  readonly limit: string
  readonly ratio: string
  readonly target: string
  /** Null where there is no target. */
  readonly met: boolean | null
  /** Lines below the table: what the figure is made of. */
  readonly notes: ReadonlyArray<string>
}

export interface Row {
  readonly key: string
  readonly title: string
  readonly measure: (effort: Effort) => Effect.Effect<ReadonlyArray<Figure>, unknown, Scope.Scope>
}

/** A figure that could not be taken, and what is missing for it. */
export const missing = (name: string, target: string, what: string): Figure => ({
  name,
  ours: "-",
  limit: "-",
  ratio: "-",
  target,
  met: null,
  notes: [`not measured: ${what}`]
})

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The median of the ratios of the rounds: what disturbs a round disturbs both of its sides. */
export const medianRatio = (ours: ReadonlyArray<number>, limit: ReadonlyArray<number>): number =>
  median(ours.map((value, round) => value / (limit[round] ?? Number.NaN)))

export const perSecond = (rate: number): string =>
  rate >= 10_000 ? `${(rate / 1000).toFixed(1)}k/s` : `${Math.round(rate)}/s`
export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`
export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`
export const spread = (values: ReadonlyArray<number>, show: (value: number) => string): string =>
  `${show(Math.min(...values))} … ${show(Math.max(...values))} in ${values.length} rounds`
