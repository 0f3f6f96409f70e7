/** oslo.messaging's own RPC server and client, as Debian has them, as processes that end with the scope. */
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Cause, Deferred, Effect, Queue, Schema } from "effect"
import { debianPython, ensurePackages, osloMessaging } from "../../support/packages.ts"

/** Why there can be no peers here, null if there can. */
export const missingOslo = await ensurePackages(osloMessaging)

/** A peer is up in a second or two, of which most is Python's imports; the rest is for a busy machine. */
const readyWithin = "60 seconds"

export interface PeerOptions {
  /** `rabbit://user:password@host:port/`. */
  readonly transportUrl: string
  /** The control exchange; `trove` unless said otherwise. */
  readonly exchange?: string
  /** Of the section `oslo_messaging_rabbit`, such as `{ amqp_durable_queues: "true" }`. */
  readonly options?: Readonly<Record<string, string>>
}

/** A peer that ended by itself, with what it said last. */
export class PeerEnded extends Schema.TaggedError<PeerEnded>()("PeerEnded", { message: Schema.String }) {}

const ServerEvent = Schema.Union([
  Schema.Struct({ event: Schema.Literal("ready") }),
  /** A call or cast of `record` arrived. */
  Schema.Struct({ event: Schema.Literal("record"), n: Schema.Unknown }),
  /** A call of `slow` arrived, and will be answered after so long. */
  Schema.Struct({ event: Schema.Literal("slow"), seconds: Schema.Number })
])
export type ServerEvent = typeof ServerEvent.Type

export interface OsloServer {
  /** The next report, in the order in which they came; waits for it. */
  readonly next: Effect.Effect<ServerEvent, PeerEnded>
  readonly kill: Effect.Effect<void>
}

/**
 * A server that is consuming when this succeeds. Its methods: `echo(value)`, `add(a, b)`, `none()`, `record(n)`,
 * `slow(seconds)`, `raise_value_error(text)`, `raise_trove(text)` where Trove's modules are, and `context()`,
 * which answers the context that came.
 */
export const osloServer = (
  options: PeerOptions & {
    readonly topic: string
    readonly server: string
    /** What its endpoint implements; `1.3` unless said otherwise. */
    readonly version?: string
  }
) =>
  Effect.gen(function* () {
    const target = ["--topic", options.topic, "--server", options.server]
    const version = options.version === undefined ? [] : ["--version", options.version]
    const events = yield* Queue.unbounded<ServerEvent, PeerEnded>()
    const child = yield* peer("server.py", [...asArguments(options), ...target, ...version], {
      line: (line) => Queue.offerUnsafe(events, asServerEvent(line)),
      ended: (error) => Queue.failCauseUnsafe(events, Cause.fail(error))
    })
    const next = Queue.take(events)
    yield* readiness(next)
    return { next, kill: kill(child) } satisfies OsloServer
  })

export interface OsloRequest {
  readonly kind: "call" | "cast" | "fanout"
  readonly topic: string
  readonly server?: string
  readonly method: string
  readonly args?: Readonly<Record<string, unknown>>
  readonly context?: Readonly<Record<string, unknown>>
  readonly version?: string
  /** Seconds. */
  readonly timeout?: number
  /** Seconds after which a call fails of which no sign of life comes. */
  readonly call_monitor_timeout?: number
}

/**
 * An exception that a request ended with at the client. One that was rebuilt from the server's answer has the
 * server's traceback after its message, and `_Remote` after its class and module unless it is a builtin one;
 * one that the client would not rebuild is a `RemoteError`.
 */
export class OsloFailure extends Schema.TaggedError<OsloFailure>()("OsloFailure", {
  class: Schema.String,
  module: Schema.String,
  message: Schema.String,
  /** Of a `RemoteError`: the class and the message at the server. */
  exc_type: Schema.optionalKey(Schema.NullOr(Schema.String)),
  value: Schema.optionalKey(Schema.NullOr(Schema.String))
}) {}

export interface OsloClient {
  /** What the method returned; null for a cast. Requests run side by side, up to 64. */
  readonly request: (request: OsloRequest) => Effect.Effect<unknown, OsloFailure | PeerEnded>
  readonly kill: Effect.Effect<void>
}

const Outcome = Schema.Union([
  Schema.Struct({ event: Schema.Literal("ready") }),
  Schema.Struct({ id: Schema.Number, result: Schema.Unknown }),
  Schema.Struct({
    id: Schema.Number,
    error: Schema.Struct({
      class: Schema.String,
      module: Schema.String,
      message: Schema.String,
      exc_type: OsloFailure.fields.exc_type,
      value: OsloFailure.fields.value
    })
  })
])

/** Needs a broker only when it is asked for something. */
export const osloClient = (options: PeerOptions) =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<void, PeerEnded>()
    const waiting = new Map<number, Deferred.Deferred<unknown, OsloFailure | PeerEnded>>()
    let last = 0
    let gone: PeerEnded | null = null
    const child = yield* peer("client.py", asArguments(options), {
      line: (line) => {
        const outcome = asOutcome(line)
        if ("event" in outcome) return Deferred.doneUnsafe(ready, Effect.void)
        const answer = "error" in outcome ? Effect.fail(new OsloFailure(outcome.error)) : Effect.succeed(outcome.result)
        const request = waiting.get(outcome.id)
        return request !== undefined && Deferred.doneUnsafe(request, answer)
      },
      ended: (error) => {
        gone = error
        Deferred.doneUnsafe(ready, Effect.fail(error))
        for (const request of waiting.values()) Deferred.doneUnsafe(request, Effect.fail(error))
      }
    })
    yield* readiness(Deferred.await(ready))
    const request = Effect.fnUntraced(function* (request: OsloRequest) {
      if (gone !== null) return yield* gone
      const id = ++last
      const answer = Deferred.makeUnsafe<unknown, OsloFailure | PeerEnded>()
      waiting.set(id, answer)
      child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`)
      return yield* Effect.ensuring(
        Deferred.await(answer),
        Effect.sync(() => waiting.delete(id))
      )
    })
    return { request, kill: kill(child) } satisfies OsloClient
  })

const asServerEvent = Schema.decodeUnknownSync(Schema.fromJsonString(ServerEvent))
const asOutcome = Schema.decodeUnknownSync(Schema.fromJsonString(Outcome))

const asArguments = ({ transportUrl, exchange = "trove", options = {} }: PeerOptions) => [
  ...["--transport-url", transportUrl, "--exchange", exchange],
  ...Object.entries(options).flatMap(([name, value]) => ["--option", `${name}=${value}`])
]

const readiness = <A>(ready: Effect.Effect<A, PeerEnded>) =>
  Effect.timeoutOrElse(ready, {
    duration: readyWithin,
    orElse: () => Effect.fail(new PeerEnded({ message: `not ready within ${readyWithin}` }))
  })

const peer = (
  script: string,
  args: ReadonlyArray<string>,
  hear: { readonly line: (line: string) => void; readonly ended: (error: PeerEnded) => void }
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(debianPython, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
        // No compiled files beside the scripts, and none of the settings of whoever runs the tests.
        env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", PYTHONDONTWRITEBYTECODE: "1", PYTHONWARNINGS: "ignore" },
        stdio: ["pipe", "pipe", "pipe"]
      })
      let said = ""
      child.stderr.on("data", (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4096)
      })
      createInterface(child.stdout).on("line", hear.line)
      child.once("close", (code, signal) =>
        hear.ended(new PeerEnded({ message: `${script} ended with ${code ?? signal}: ${said}` }))
      )
      // What is written to one that has ended is answered by its end.
      child.stdin.on("error", () => {})
      return child
    }),
    kill
  )

const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("close", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
