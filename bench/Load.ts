/** A process that puts load on a server, and what it saw. */
import { Effect, Schema } from "effect"
import * as Child from "./Child.ts"
import type { Load } from "./children/load.ts"

const Result = Schema.Struct({ perSecond: Schema.Number, p50: Schema.Number, p99: Schema.Number })
export type Result = typeof Result.Type

/** Runs loads one after the other. */
export const start = Effect.map(
  Child.start("load"),
  (child) => (load: typeof Load.Type) => child.ask("run", Result, load)
)
