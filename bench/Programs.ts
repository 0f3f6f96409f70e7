/** Programs that the bench runs as processes: our own entry point, and PostgreSQL's as anybody would start it. */
import { type ChildProcess, spawn } from "node:child_process"
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect, Schedule } from "effect"
import pg from "pg"

export const root = join(import.meta.dirname, "..")

const patience = "2 minutes"

/** A loopback port that nobody used a moment ago. */
export const freePort = Effect.callback<number>((resume) => {
  const probe = createServer()
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    probe.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Asks until there is an answer, at an interval: a figure is too large by half of it. */
export const until = <A, E>(what: string, question: Effect.Effect<A, E>, milliseconds = 5) =>
  Effect.retry(question, { schedule: Schedule.spaced(milliseconds) }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.die(`${what}: not within ${patience}`)
    })
  )

/** Runs a program until the scope ends: then its whole group is told to stop, and waited for. */
export const running = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly cwd?: string
    readonly env?: NodeJS.ProcessEnv
    readonly uid?: number
    readonly gid?: number
    readonly signal?: NodeJS.Signals
  } = {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { signal: _, ...how } = options
      return spawn(command, args, { cwd: "/", ...how, detached: true, stdio: "ignore" })
    }),
    (child) => stop(child, options.signal ?? "SIGTERM")
  )

const stop = (child: ChildProcess, signal: NodeJS.Signals) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    process.kill(-child.pid, signal)
  })

/** Runs a program to its end; dies with what it said when that is not 0. */
export const toEnd = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly uid?: number
    readonly gid?: number
    readonly env?: NodeJS.ProcessEnv
    readonly input?: string
  } = {}
) =>
  Effect.callback<string>((resume) => {
    const { input, ...how } = options
    const child = spawn(command, args, { cwd: "/", ...how, stdio: ["pipe", "pipe", "pipe"] })
    let said = ""
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => resume(code === 0 ? Effect.succeed(said) : Effect.die(`${command}: ${code} ${said}`)))
    child.stdin.end(input ?? "")
  })

/** Whether a server answers a request for `/` at all. */
export const answers = (port: number) =>
  Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.arrayBuffer()))

/** How long it took, in milliseconds. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const from = performance.now()
    return Effect.map(effect, () => performance.now() - from)
  })

/** What PostgreSQL's programs get to see of ours. */
export const plainEnvironment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

/** A client logs in as the superuser and asks for something. */
export const login = (at: { readonly host: string; readonly port: number; readonly password: string }) =>
  Effect.tryPromise(async () => {
    const client = new pg.Client({ ...at, user: "postgres", database: "postgres" })
    client.on("error", () => {})
    try {
      await client.connect()
      await client.query("SELECT 1")
    } finally {
      await client.end().catch(() => {})
    }
  })
