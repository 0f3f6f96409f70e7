/**
 * Processes of this host that outlive us: servers that are started detached, found again by the folder they
 * work on, and ended by signals. Owns no state: the process table is the truth, so a predecessor's `kill -9`
 * loses nothing. It never touches a process that does not work on the folder it was asked about.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import { dirname } from "node:path"
import { Effect, Schema } from "effect"

/** A user to run as; null where a signature allows it means the current one. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

export class HostProcessError extends Schema.TaggedError<HostProcessError>()("HostProcessError", {
  message: Schema.String,
  /** What the process printed last. */
  detail: Schema.String
}) {}

export const isRoot = process.getuid?.() === 0

/** Nothing of ours reaches a server by its environment: a tenant's superuser can read it there. */
const cleanEnvironment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const as = (identity: Identity | null) => (identity === null ? {} : { uid: identity.uid, gid: identity.gid })

/**
 * Runs a command to its end and fails unless it exits with 0; interruption kills it and its children.
 * @param stdin an open file descriptor, or "ignore"
 */
export const runToEnd = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly identity: Identity | null; readonly stdin?: number; readonly cwd?: string }
) =>
  Effect.callback<string, HostProcessError>((resume) => {
    let output = ""
    const child = spawn(command, args, {
      ...as(options.identity),
      cwd: options.cwd ?? "/",
      detached: true,
      env: cleanEnvironment,
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"]
    })
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-8192)
    }
    child.stdout?.on("data", keep)
    child.stderr?.on("data", keep)
    child.on("error", (error) =>
      resume(Effect.fail(new HostProcessError({ message: `${command} cannot run: ${error.message}`, detail: output })))
    )
    child.on("close", (code, signal) =>
      resume(
        code === 0
          ? Effect.succeed(output)
          : Effect.fail(new HostProcessError({ message: `${command} ended with ${code ?? signal}`, detail: output }))
      )
    )
    return Effect.callback<void>((gone) => {
      if (child.pid === undefined || hasEnded(child)) return gone(Effect.void)
      child.on("close", () => gone(Effect.void))
      signal(-child.pid, "SIGKILL")
    })
  })

export const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/**
 * Starts a server in a session of its own, so that neither Ctrl-C in our terminal nor our death ends it.
 * Its output is appended to the file `log`.
 */
export const startDetached = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly identity: Identity | null; readonly log: string }
) =>
  Effect.callback<ChildProcess, HostProcessError>((resume) => {
    const fail = (error: unknown) =>
      resume(Effect.fail(new HostProcessError({ message: `${command} cannot run: ${error}`, detail: "" })))
    try {
      const log = fs.openSync(options.log, "a", 0o600)
      const child = spawn(command, args, {
        ...as(options.identity),
        cwd: "/",
        detached: true,
        env: cleanEnvironment,
        stdio: ["ignore", log, log]
      })
      fs.closeSync(log)
      child.once("error", fail)
      child.once("spawn", () => {
        child.unref()
        resume(Effect.succeed(child))
      })
    } catch (error) {
      fail(error)
    }
  })

/** Sends a signal; false when nobody is there to get it. */
export const signal = (pid: number, name: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

/**
 * The process that works on a folder: its command line names the folder as an argument or as an option's value,
 * and it runs as the folder's owner, which keeps out other users who name it. What a tenant starts from inside
 * its server runs as that owner too and can pretend to be it: this finds a server, and proves nothing about it.
 * Helper processes of a server change their command line and do not count. Throws when the host cannot be looked at.
 */
export const processOn = (folder: string): number | null => {
  const owner = fs.statSync(folder, { throwIfNoEntry: false })?.uid
  if (owner === undefined) return null
  const last = lastSeen.get(folder)
  if (last !== undefined && worksOn(last, folder, owner)) return last
  lastSeen.delete(folder)
  const pid = allProcesses().find((each) => worksOn(each, folder, owner))
  if (pid === undefined) return null
  lastSeen.set(folder, pid)
  return pid
}

/** Where a folder's process was found last: looked at first, so that watching many servers stays cheap. */
const lastSeen = new Map<string, number>()

/** A look at the process table; a host without free file descriptors does not let us. */
const look = <A>(f: () => A) =>
  Effect.try({
    try: f,
    catch: (error) => new HostProcessError({ message: `cannot look at processes: ${error}`, detail: "" })
  })

/** `processOn`, where a host that cannot be looked at is an error. */
export const findProcessOn = (folder: string) => look(() => processOn(folder))

/** What the kernel tells of a process, in lines; empty where it has ended. */
export const statusText = (pid: number) => look(() => readProc(`/proc/${pid}/status`))

const allProcesses = () =>
  fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

const worksOn = (pid: number, folder: string, owner: number): boolean => {
  const line = readProc(`/proc/${pid}/cmdline`)
  if (!line.split("\0").some((arg, i) => i > 0 && (arg === folder || arg.endsWith(`=${folder}`)))) return false
  const status = readProc(`/proc/${pid}/status`)
  // A helper that was forked this moment still bears its server's command line.
  const parent = /^PPid:\s+(\d+)/m.exec(status)?.[1]
  return ownerIn(status) === owner && readProc(`/proc/${parent}/cmdline`) !== line
}

/** The user that a process was started by, by its status: also of a program that has set itself another user. */
const ownerIn = (status: string) => Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])

/** It ended while we looked, or is not ours to look at. Anything else must not pass for a process that is gone. */
const unseen = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"])

const orNothing = (f: () => string) => {
  try {
    return f()
  } catch (error) {
    if (error instanceof Error && "code" in error && unseen.has(String(error.code))) return ""
    throw error
  }
}

const linkOf = (path: string) => orNothing(() => fs.readlinkSync(path))
const readProc = (path: string) => orNothing(() => fs.readFileSync(path, "utf8"))

/** Signals in the order they are tried, each with the time it is given. */
export type Escalation = ReadonlyArray<readonly [name: NodeJS.Signals, milliseconds: number]>

const pollInterval = 10

/** Ends the process that works on `folder`, if there is one, and returns when it is gone. */
export const endProcessOn = Effect.fnUntraced(function* (folder: string, escalation: Escalation) {
  for (const [name, milliseconds] of escalation) {
    const pid = yield* findProcessOn(folder)
    if (pid === null) return yield* endOrphans(folder)
    signal(pid, name)
    for (let waited = 0; waited < milliseconds && (yield* look(() => isAlive(pid))); waited += pollInterval) {
      yield* Effect.sleep(pollInterval)
    }
  }
  if ((yield* findProcessOn(folder)) !== null) {
    return yield* new HostProcessError({ message: `the process on ${folder} does not end`, detail: "" })
  }
  yield* endOrphans(folder)
})

/** How long the kernel may take to end what was killed. */
const killedWithin = 5_000

/** Kills what `find` finds, as often as it takes until it finds nothing. */
const killAll = Effect.fnUntraced(function* (what: string, find: (pid: number) => boolean) {
  // Each is killed the moment it is found: between a look at all and a kill of all, one that forks would be gone.
  const round = () => allProcesses().filter((pid) => find(pid) && signal(pid, "SIGKILL")).length
  for (let waited = 0; (yield* look(round)) > 0; waited += pollInterval) {
    if (waited >= killedWithin) return yield* new HostProcessError({ message: `${what} do not end`, detail: "" })
    yield* Effect.sleep(pollInterval)
  }
})

/**
 * Kills what is left of a server that died without its helper processes: they work in its folder, as its owner.
 * One that is busy does not notice by itself, and would keep the next server from starting. Others may work in
 * the folder as well, such as a developer's shell.
 */
export const endOrphans = Effect.fnUntraced(function* (folder: string) {
  const owner = yield* look(() => fs.statSync(folder, { throwIfNoEntry: false })?.uid)
  if (owner === undefined) return
  yield* killAll(`the helper processes on ${folder}`, (pid) => {
    if (linkOf(`/proc/${pid}/cwd`) !== folder || !isServerProgram(pid)) return false
    const status = readProc(`/proc/${pid}/status`)
    return ownerIn(status) === owner && !isDead(status)
  })
})

/** By its file, also when that has been replaced since, or by the title that PostgreSQL's helpers give themselves. */
const isServerProgram = (pid: number) =>
  /\/(postgres|mariadbd)( \(deleted\))?$/.test(linkOf(`/proc/${pid}/exe`)) ||
  readProc(`/proc/${pid}/cmdline`).startsWith("postgres: ")

/** The folder that a command line names, as an argument or as an option's value, if it lies below `root`. */
const folderIn = (line: string, root: string): string | null => {
  for (const arg of line.split("\0").slice(1)) {
    const value = arg.startsWith("-") ? arg.slice(arg.indexOf("=") + 1) : arg
    if (value.startsWith(`${root}/`)) return value
  }
  return null
}

const serverFolder = (pid: number, root: string): string | null => {
  const line = readProc(`/proc/${pid}/cmdline`)
  const folder = folderIn(line, root)
  if (folder === null || !isServerProgram(pid)) return null
  const status = readProc(`/proc/${pid}/status`)
  const parent = /^PPid:\s+(\d+)/m.exec(status)?.[1]
  return isDead(status) || readProc(`/proc/${parent}/cmdline`) === line ? null : folder
}

/** The folders below `root` that servers work on by their command lines, also those that are gone. */
export const foldersServedBelow = (root: string) =>
  look(() => new Set(allProcesses().flatMap((pid) => serverFolder(pid, root) ?? [])))

/** Kills the server that still works on a folder that is gone, by which nobody finds it any more. */
export const endServerWithout = Effect.fnUntraced(function* (folder: string) {
  if (fs.existsSync(folder)) return
  yield* killAll(`the server on ${folder}, which is gone,`, (pid) => serverFolder(pid, dirname(folder)) === folder)
})

/** Kills every process of a user, wherever it works: only for users that belong to one server alone. */
export const endAllOf = (uid: number) =>
  killAll(`the processes of user ${uid}`, (pid) => {
    const status = readProc(`/proc/${pid}/status`)
    return ownerIn(status) === uid && !isDead(status)
  })

/** Kills what works for us on a path that begins so, by its command line, as a copying of an agent that was killed does. */
export const endWorkOn = (beginning: string) =>
  killAll(`the programs on ${beginning}*`, (pid) => {
    if (
      !readProc(`/proc/${pid}/cmdline`)
        .split("\0")
        .some((arg, i) => i > 0 && arg.startsWith(beginning))
    )
      return false
    const status = readProc(`/proc/${pid}/status`)
    return ownerIn(status) === process.getuid?.() && !isDead(status)
  })

/** A zombie is dead, only its parent has yet to notice; unless it has threads that go on without the first one. */
const isDead = (status: string) =>
  status === "" || (/^State:\s+[ZX]/m.test(status) && /^Threads:\s+[01]$/m.test(status))

const isAlive = (pid: number) => !isDead(readProc(`/proc/${pid}/status`))
