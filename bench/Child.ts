/**
 * The processes of a measurement: our service, the bare server beside it and the load each have one of their own,
 * so that none measures another's garbage collector. They are asked by messages, and gone with the scope.
 *
 * `BENCH_DEBUG=1` shows what they write to stderr; `BENCH_PROFILE=<module>` has that child leave a CPU profile in the
 * folder that the bench was started in.
 */
import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import { Effect, Schema, type Scope } from "effect"

export class ChildFailed extends Schema.TaggedError<ChildFailed>()("ChildFailed", {
  module: Schema.String,
  question: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.module}, asked for ${this.question}: ${this.detail}`
  }
}

export interface Child {
  readonly ask: <S extends Schema.Codec<unknown, unknown>>(
    question: string,
    answer: S,
    argument?: unknown
  ) => Effect.Effect<S["Type"], ChildFailed>
}

const Reply = Schema.Struct({
  id: Schema.Int,
  answer: Schema.optionalKey(Schema.Unknown),
  failure: Schema.optionalKey(Schema.String)
})

/** Starts `children/<module>.ts` with `options`. A child that ends fails every question. */
export const start = (
  module: string,
  options: unknown = {},
  flags: ReadonlyArray<string> = []
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = fork(join(import.meta.dirname, "children", `${module}.ts`), [JSON.stringify(options)], {
        execArgv: ["--disable-warning=ExperimentalWarning", ...flags, ...profiling(module)],
        env: { ...process.env, COFFER_RATE_LIMIT: "1000000000" },
        stdio: ["ignore", "ignore", process.env["BENCH_DEBUG"] ? "inherit" : "ignore", "ipc"]
      })
      const waiting = new Map<number, (reply: typeof Reply.Type) => void>()
      let asked = 0
      let ended = false
      child.on("message", (message) => {
        const reply = Schema.decodeUnknownSync(Reply)(message)
        waiting.get(reply.id)?.(reply)
        waiting.delete(reply.id)
      })
      child.on("exit", (code, signal) => {
        ended = true
        for (const [id, resolve] of waiting) resolve({ id, failure: `the process ended with ${code ?? signal}` })
        waiting.clear()
      })
      const ask: Child["ask"] = (question, answer, argument) =>
        Effect.callback<typeof Reply.Type>((resume) => {
          const id = asked++
          if (ended) return resume(Effect.succeed({ id, failure: "the process has ended" }))
          waiting.set(id, (reply) => resume(Effect.succeed(reply)))
          child.send({ id, question, argument })
        }).pipe(
          Effect.filterOrFail(
            ({ failure }) => failure === undefined,
            ({ failure = "" }) => new ChildFailed({ module, question, detail: failure })
          ),
          Effect.flatMap((reply) => Effect.orDie(Schema.decodeUnknownEffect(answer)(reply.answer)))
        )
      return { child, ask }
    }),
    ({ child }) => (profiling(module).length === 0 ? Effect.sync(() => child.kill("SIGKILL")) : letEnd(child))
  )

const profiling = (module: string): ReadonlyArray<string> =>
  process.env["BENCH_PROFILE"] === module ? ["--cpu-prof", `--cpu-prof-name=${module}.cpuprofile`] : []

/** By its own hand, for a profile is written at the end. */
const letEnd = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.send({ id: -1, question: "exit" })
  })

/** Where a child listens. */
export const Listening = Schema.Struct({ port: Schema.Int })

const Usage = Schema.Struct({ cpuMicros: Schema.Number, rss: Schema.Number })

/** Processor time in microseconds that the child used while `effect` ran. */
export const cpuDuring = <A, E, R>(child: Child, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* child.ask("usage", Usage)
    const result = yield* effect
    const after = yield* child.ask("usage", Usage)
    return { result, cpuMicros: after.cpuMicros - before.cpuMicros, rss: after.rss }
  })
