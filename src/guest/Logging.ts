/**
 * The logs of a guest's database: which are on, how far they are published, and what is in them. What is switched on is
 * kept on the disk before the server is told, so that it comes with each of its starts; whoever dies in between, or finds
 * the server busy, leaves it to the next look at it. Logs are bounded here, for nobody else does it: each look cuts what
 * has grown too large.
 */
import { Duration, Effect, Semaphore } from "effect"
import type { DatastoreManagerName } from "../services/Catalog.ts"
import type { Values } from "../services/configuration/Parameter.ts"
import type { DiskError } from "../services/Disk.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import {
  type LogAction,
  type LogDetails,
  type LogPart,
  type LogText,
  type LogType,
  logsOf
} from "../services/InstanceLogs.ts"
import type { RuntimeError } from "./DatabaseRuntime.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"
import type { GuestNotes, Logs } from "./GuestNotes.ts"
import type { Extent, LogFiles, LogOwner } from "./LogFiles.ts"
import { firstLines, lastLines, windowBytes } from "./LogLines.ts"
import { makeRetrying } from "./Retrying.ts"

/** The pause before a server is told again what it did not do: it may be for a person to change that. */
const settleAgain = Duration.minutes(1)

/** What switches a log on: a setting that is called by all these names. */
interface Switch {
  readonly names: readonly [string, ...ReadonlyArray<string>]
  readonly on: boolean | string
}

const mariadb: Readonly<Record<string, Switch>> = {
  general: { names: ["general_log"], on: true },
  slow_query: { names: ["slow_query_log", "log_slow_query"], on: true }
}
const switches: Readonly<Record<DatastoreManagerName, Readonly<Record<string, Switch>>>> = {
  mariadb,
  mysql: mariadb,
  postgresql: { general: { names: ["log_statement"], on: "all" } }
}

interface Parts {
  readonly notes: Pick<GuestNotes["Service"], "logs" | "keepLogs" | "overrides">
  readonly files: LogFiles
  readonly owner: LogOwner
  readonly manager: DatastoreManagerName
  readonly session: Pick<DatastoreSession, "applySettings">
  /** Writes the server's file with these settings of its configuration group. */
  readonly configure: (overrides: Values) => Effect.Effect<void, RuntimeError>
  /** Does it to a server that serves, as soon as nobody else does anything to it; not at all where that is not soon. */
  readonly soon: <E>(work: Effect.Effect<void, E>) => Effect.Effect<unknown, E>
}

const asRefusal = (error: RuntimeError | DiskError | GuestRefusal) =>
  error._tag === "GuestRefusal" ? error : new GuestRefusal({ message: error.message })

export const make = ({ configure, files, manager, notes, owner, session, soon }: Parts) => {
  const known = logsOf(manager)
  /** Whoever cuts a log, or reads it, has it alone. */
  const inTurn = Semaphore.makeUnsafe(1).withPermits(1)
  /** Whoever notes something. */
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)

  /** Read from the disk once: it is asked for at each look, and nobody else writes it. */
  let noted: Logs | null = null
  const logs = Effect.suspend(() =>
    noted === null
      ? Effect.tap(notes.logs, (read) =>
          Effect.sync(() => {
            noted = read
          })
        )
      : Effect.succeed(noted)
  )
  const noteOf = Effect.fnUntraced(function* (log: string) {
    return (yield* logs)[log] ?? { on: false, published: 0 }
  })
  const keep = Effect.fnUntraced(function* (log: string, change: { on?: boolean; published?: number }) {
    const next = { ...(yield* logs), [log]: { ...(yield* noteOf(log)), ...change } }
    yield* notes.keepLogs(next)
    noted = next
  })

  const switchedOn = Effect.map(logs, (logs) =>
    Object.entries(switches[manager]).flatMap(([log, control]) => (logs[log]?.on ? [control] : []))
  )
  /** The settings that are no configuration group's as long as a log is on. */
  const held = Effect.map(switchedOn, (on): ReadonlySet<string> => new Set(on.flatMap(({ names }) => names)))

  /** The settings of a configuration group, and over them what is switched on. */
  const over = Effect.fnUntraced(function* (overrides: Values) {
    const names = yield* held
    const settings: Values = {
      ...Object.fromEntries(Object.entries(overrides).filter(([name]) => !names.has(name))),
      ...Object.fromEntries((yield* switchedOn).map(({ names, on }) => [names[0], on]))
    }
    return settings
  })

  /** What the configuration group has it at; undefined where it says nothing. */
  const groups = (overrides: Values, { names }: Switch) =>
    names.map((name) => overrides[name]).findLast((value) => value !== undefined)

  const typeOf = Effect.fnUntraced(function* (log: string) {
    const type = known.get(log)
    if (type === undefined) return yield* new GuestRefusal({ message: `Log '${log}' is not defined.` })
    return type
  })

  const isOn = Effect.fnUntraced(function* (log: string, type: LogType) {
    const control = switches[manager][log]
    if (type === "SYS" || control === undefined) return true
    return (yield* noteOf(log)).on || groups((yield* notes.overrides).wanted, control) === control.on
  })

  const show = Effect.fnUntraced(function* (log: string, type: LogType) {
    const extent = yield* files.extent(owner, log)
    const { published } = yield* noteOf(log)
    const { begins, ends } = extent ?? { begins: 0, ends: 0 }
    const reached = Math.min(published, ends)
    const details: LogDetails = {
      name: log,
      type,
      status: statusOf({ type, isOn: yield* isOn(log, type), extent, published: reached }),
      published: Math.max(0, reached - begins),
      pending: ends - Math.max(begins, reached),
      // There is no object store: what is published lies where it was.
      container: "None",
      prefix: "None",
      metafile: `${owner.instanceId}/${manager}-${log}_metafile`
    }
    return details
  })

  /** Which logs the server that runs was told to write, or not to. */
  const told = new Map<string, boolean>()

  /** The server, which serves and which nobody else does anything to, writes the log if that is on, and else not. */
  const settle = Effect.fnUntraced(function* (log: string) {
    const { on } = yield* noteOf(log)
    const control = switches[manager][log]
    if (control === undefined || told.get(log) === on) return
    // Who fails on the way may have told it nevertheless.
    told.delete(log)
    if ((yield* files.extent(owner, log)) !== null) {
      const { wanted } = yield* notes.overrides
      yield* configure(wanted)
      yield* session.applySettings({ [control.names[0]]: on ? control.on : (groups(wanted, control) ?? null) })
    }
    told.set(log, on)
  })

  const settling = makeRetrying<RuntimeError | GuestRefusal>(
    settleAgain,
    ({ message }) => `the logs could not be switched: ${message}`
  )
  const settleAll = Effect.flatMap(logs, (noted) =>
    Effect.forEach(Object.keys(noted), (log) => settling.attempt(log, settle(log)), { discard: true })
  )

  /** What the server does not do is not kept either. */
  const switchTo = Effect.fnUntraced(function* (log: string, on: boolean) {
    const { on: before } = yield* noteOf(log)
    if (before === on) return
    yield* keep(log, { on })
    settling.forget(log)
    yield* Effect.tapError(soon(settle(log)), () => Effect.ignore(keep(log, { on: before })))
  })

  const switched = Effect.fnUntraced(function* (log: string, type: LogType, { disable, enable, publish }: LogAction) {
    if (enable && disable) return yield* new GuestRefusal({ message: `Cannot enable and disable log '${log}'.` })
    if (type === "SYS" && (enable || disable)) {
      const message = `Cannot ${enable ? "enable" : "disable"} a SYSTEM log ('${log}').`
      return yield* new GuestRefusal({ message })
    }
    const control = switches[manager][log]
    if (control === undefined) return
    if (disable && groups((yield* notes.overrides).wanted, control) === control.on) {
      const message = `Log '${log}' is enabled by the configuration group (${control.names.join(" or ")}).`
      return yield* new GuestRefusal({ message })
    }
    if (disable) yield* switchTo(log, false)
    else if ((enable || publish) && !(yield* isOn(log, type))) yield* switchTo(log, true)
  })

  const action = Effect.fnUntraced(
    function* (log: string, wanted: LogAction) {
      const type = yield* typeOf(log)
      yield* switched(log, type, wanted)
      return yield* inTurn(
        Effect.gen(function* () {
          const extent = yield* files.extent(owner, log)
          if (wanted.discard && extent !== null) {
            const { published } = yield* noteOf(log)
            if (published > extent.begins) yield* files.cut(owner, log, Math.min(published, extent.ends))
            yield* keep(log, { published: 0 })
          }
          if (wanted.publish && extent !== null) yield* keep(log, { published: extent.ends })
          return yield* show(log, type)
        })
      )
    },
    Effect.mapError(asRefusal),
    oneAtATime
  )

  const text = Effect.fnUntraced(
    function* (log: string, { lines, offset }: LogPart) {
      yield* typeOf(log)
      const extent = yield* files.extent(owner, log)
      if (extent === null) return { offset: 0, next: 0, rotated: false, lines: [] } satisfies LogText
      const { begins, ends } = extent
      if (offset === null) {
        const from = Math.max(begins, ends - windowBytes)
        const window = yield* files.read(owner, log, from, windowBytes)
        return { ...lastLines(window, from, lines, from > begins), rotated: false } satisfies LogText
      }
      const rotated = offset < begins || offset > ends
      const from = rotated ? begins : offset
      const window = yield* files.read(owner, log, from, windowBytes)
      return { ...firstLines(window, from, lines), rotated } satisfies LogText
    },
    Effect.mapError(asRefusal),
    inTurn
  )

  const bounding = makeRetrying<RuntimeError>(Duration.zero, ({ detail, message }) => `${message} ${detail}`)

  /** A log that has grown beyond what is kept of it twice is cut. */
  const bound = Effect.forEach(
    [...known.keys()],
    (log) =>
      Effect.gen(function* () {
        if (yield* files.isLarge(owner, log)) yield* files.cut(owner, log, 0)
      }).pipe((work) => bounding.attempt(log, work), inTurn),
    { discard: true }
  )

  /** Done at each look at the server. */
  const look = (isServing: boolean) => Effect.andThen(bound, isServing ? settleAll : Effect.void)

  /** A server that was started, or found, may have been told anything, and may take what the former did not. */
  const started = Effect.sync(() => {
    told.clear()
    for (const log of known.keys()) settling.forget(log)
  })

  const list = Effect.forEach([...known], ([log, type]) => show(log, type)).pipe(Effect.mapError(asRefusal), inTurn)

  return { over, held, list, action, text, look, started }
}

interface Sight {
  readonly type: LogType
  readonly isOn: boolean
  readonly extent: Extent | null
  readonly published: number
}

/** By Trove's rules. */
const statusOf = ({ extent, isOn, published, type }: Sight): LogDetails["status"] => {
  if (!isOn) return "Disabled"
  if (extent === null) return "Restart Required"
  const { begins, ends } = extent
  if (ends === begins) return type === "USER" ? "Enabled" : "Unavailable"
  // What was not published yet is gone.
  if (published > 0 && published < begins) return "Rotated"
  if (published === ends) return "Published"
  return published > 0 ? "Partial" : "Ready"
}
