/** What a guest has its server log: the switches beside a configuration group that sets the same, and disks that are full. */
import { expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import type { SettingChanges } from "../../src/guest/DatastoreManager.ts"
import { type GuestNotes, type Logs, noOverrides } from "../../src/guest/GuestNotes.ts"
import type { Extent, LogFiles } from "../../src/guest/LogFiles.ts"
import * as Logging from "../../src/guest/Logging.ts"
import { firstLines, lastLines } from "../../src/guest/LogLines.ts"
import type { Values } from "../../src/services/configuration/Parameter.ts"
import { DiskError } from "../../src/services/Disk.ts"
import { GuestRefusal } from "../../src/services/GuestApi.ts"

const nothing = { enable: false, disable: false, publish: false, discard: false }
const enable = { ...nothing, enable: true }
const disable = { ...nothing, disable: true }

/** A MariaDB whose configuration group has these values. */
const mariadb = (group: Values = {}) => {
  const state = {
    logs: {} as Logs,
    extent: { begins: 0, ends: 0 } as Extent | null,
    told: [] as Array<SettingChanges>,
    file: null as Values | null,
    isServing: true,
    isFull: false,
    /** Settings that the server does not take, after it was told. */
    refused: new Set<string>(),
    cuts: null as RuntimeError | null
  }
  const notes: Pick<GuestNotes["Service"], "logs" | "keepLogs" | "overrides"> = {
    logs: Effect.sync(() => state.logs),
    keepLogs: (logs) =>
      Effect.suspend(() => {
        if (state.isFull) return new DiskError({ trouble: "DiskFull", detail: "ENOSPC" })
        state.logs = logs
        return Effect.void
      }),
    overrides: Effect.succeed({ ...noOverrides, wanted: group })
  }
  const files: LogFiles = {
    extent: () => Effect.sync(() => state.extent),
    isLarge: () => Effect.sync(() => state.cuts !== null),
    read: () => Effect.succeed(new Uint8Array()),
    cut: (_, __, offset) =>
      Effect.suspend(() => {
        if (state.cuts !== null) return state.cuts
        if (state.extent !== null) state.extent = { ...state.extent, begins: offset }
        return Effect.void
      })
  }
  const logging = Logging.make({
    notes,
    files,
    owner: { instanceId: "i", volume: "/volume" },
    manager: "mariadb",
    session: {
      applySettings: (changes) =>
        Effect.suspend(() => {
          state.told.push(changes)
          const refused = Object.keys(changes).find((name) => state.refused.has(name))
          return refused === undefined ? Effect.succeed(false) : new GuestRefusal({ message: `no ${refused}` })
        })
    },
    configure: (overrides) =>
      Effect.map(logging.over(overrides), (settings) => {
        state.file = settings
      }),
    soon: (work) => Effect.suspend(() => (state.isServing ? work : Effect.void))
  })
  return { state, logging }
}

it.effect("what is switched on is over what the group says, and what is switched off gives back to it", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb({ general_log: false, log_slow_query: false, max_connections: 50 })
    expect((yield* logging.list).map(({ name, status, type }) => [name, type, status])).toEqual([
      ["general", "USER", "Disabled"],
      ["slow_query", "USER", "Disabled"],
      ["error", "SYS", "Unavailable"]
    ])
    expect((yield* logging.action("general", enable)).status).toBe("Enabled")
    expect((yield* logging.action("slow_query", enable)).status).toBe("Enabled")
    expect(state.file).toEqual({ max_connections: 50, general_log: true, slow_query_log: true })
    expect(yield* logging.held).toEqual(new Set(["general_log", "slow_query_log", "log_slow_query"]))
    yield* logging.action("general", disable)
    yield* logging.action("slow_query", disable)
    expect(state.file).toEqual({ general_log: false, log_slow_query: false, max_connections: 50 })
    expect(state.told).toEqual([
      { general_log: true },
      { slow_query_log: true },
      { general_log: false },
      { slow_query_log: false }
    ])
    // Told once, however often it is asked for.
    yield* logging.action("general", disable)
    expect(state.told).toHaveLength(4)
  })
)

it.effect("what the group has on is shown so, and cannot be switched off beside it", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb({ general_log: true })
    expect((yield* logging.action("general", nothing)).status).toBe("Enabled")
    const { message } = yield* Effect.flip(logging.action("general", disable))
    expect(message).toBe("Log 'general' is enabled by the configuration group (general_log).")
    yield* logging.action("general", enable)
    expect([state.told, state.logs]).toEqual([[], {}])
  })
)

it.effect("a server that is down, or was started by an earlier release, has it with its next start", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb()
    state.isServing = false
    yield* logging.action("general", enable)
    expect([state.told, yield* logging.over({})]).toEqual([[], { general_log: true }])
    yield* logging.look(false)
    expect(state.told).toEqual([])
    // The next look finds it to be done, once; and once more for a server that was started.
    for (const [told, before] of [
      [1, Effect.void],
      [1, Effect.void],
      [2, logging.started]
    ] as const) {
      yield* before
      yield* logging.look(true)
      expect(state.told).toHaveLength(told)
    }
    state.told = []
    state.isServing = true
    state.extent = null
    expect((yield* logging.action("slow_query", enable)).status).toBe("Restart Required")
    expect(state.told).toEqual([])
    expect(yield* logging.text("general", { offset: 7, lines: 1 })).toEqual({
      offset: 0,
      next: 0,
      rotated: false,
      lines: []
    })
  })
)

it.effect("logs of the server itself are on, and cannot be switched", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb()
    state.extent = { begins: 0, ends: 9 }
    expect((yield* logging.action("error", { ...nothing, publish: true })).status).toBe("Published")
    for (const [action, verb] of [
      [enable, "enable"],
      [disable, "disable"]
    ] as const)
      expect((yield* Effect.flip(logging.action("error", action))).message).toBe(
        `Cannot ${verb} a SYSTEM log ('error').`
      )
    expect((yield* Effect.flip(logging.action("nosuch", nothing))).message).toBe("Log 'nosuch' is not defined.")
  })
)

it.effect("a log that was cut before it was published says so, and a full disk switches nothing", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb()
    yield* logging.action("general", enable)
    state.extent = { begins: 0, ends: 100 }
    expect(yield* logging.action("general", { ...nothing, publish: true })).toMatchObject({
      status: "Published",
      published: 100,
      pending: 0
    })
    state.extent = { begins: 150, ends: 180 }
    expect(yield* logging.action("general", nothing)).toMatchObject({ status: "Rotated", published: 0, pending: 30 })
    state.isFull = true
    yield* Effect.flip(logging.action("slow_query", enable))
    expect([state.told.length, state.logs["slow_query"]]).toEqual([1, undefined])
  })
)

it.effect("a switch that fails after the server was told is told back", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb()
    yield* logging.action("general", enable)
    yield* logging.action("general", disable)
    state.refused.add("general_log")
    yield* Effect.flip(logging.action("general", enable))
    expect((yield* logging.action("general", nothing)).status).toBe("Disabled")
    state.refused.clear()
    state.told = []
    yield* logging.look(true)
    expect(state.told).toEqual([{ general_log: null }])
    expect(state.file).toEqual({})
  })
)

/** The warnings of the work. */
const warnings = Effect.fnUntraced(function* <E>(work: Effect.Effect<void, E>) {
  const lines: Array<unknown> = []
  const logger = Logger.make(({ message }) => void lines.push(message))
  yield* Effect.provide(work, Logger.layer([logger]))
  return lines.flat()
})

it.effect("what a server does not take is told once, tried seldom, and keeps no other log from being switched", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb()
    state.isServing = false
    yield* logging.action("general", enable)
    yield* logging.action("slow_query", enable)
    state.refused.add("general_log")
    const minute = Effect.repeat(Effect.andThen(logging.look(true), TestClock.adjust("1 second")), { times: 59 })
    expect(yield* warnings(minute)).toEqual(["the logs could not be switched: no general_log"])
    expect(state.told).toEqual([{ general_log: true }, { slow_query_log: true }])
    expect(yield* warnings(minute)).toEqual([])
    expect(state.told).toHaveLength(3)
    // One that was started anew may take it.
    state.refused.clear()
    yield* logging.started
    yield* logging.look(true)
    expect(state.told.slice(3)).toEqual([{ general_log: true }, { slow_query_log: true }])
  })
)

it.effect("a log that cannot be cut is told once", () =>
  Effect.gen(function* () {
    const { logging, state } = mariadb()
    state.cuts = new RuntimeError({ message: "No cut.", detail: "EIO", transient: true })
    const looks = Effect.repeat(logging.look(false), { times: 9 })
    expect(yield* warnings(looks)).toEqual(["No cut. EIO", "No cut. EIO", "No cut. EIO"])
    state.cuts = null
    expect(yield* warnings(looks)).toEqual([])
    state.cuts = new RuntimeError({ message: "No cut.", detail: "EIO", transient: true })
    expect(yield* warnings(looks)).toHaveLength(3)
  })
)

const bytes = (text: string) => new TextEncoder().encode(text)

it("lines are whole ones, and offsets lie behind them", () => {
  expect(firstLines(bytes("one\nü\nthr"), 10, 9)).toEqual({ offset: 10, next: 17, lines: ["one", "ü"] })
  expect(firstLines(bytes("one\ntwo\n"), 0, 1)).toEqual({ offset: 0, next: 4, lines: ["one"] })
  expect(firstLines(bytes("no end"), 5, 9)).toEqual({ offset: 5, next: 5, lines: [] })
  expect(lastLines(bytes("one\ntwo\nthree\nfo"), 0, 2, false)).toEqual({ offset: 4, next: 14, lines: ["two", "three"] })
  // The first of a window that begins in the middle of a line is no line.
  expect(lastLines(bytes("ne\ntwo\n"), 1, 9, true)).toEqual({ offset: 4, next: 8, lines: ["two"] })
  expect(lastLines(bytes(""), 0, 9, false)).toEqual({ offset: 0, next: 0, lines: [] })
})
