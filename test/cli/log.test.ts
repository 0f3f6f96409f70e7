/** `coffer log` against a real API, over a guest that says what it is told to. */
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { Command } from "effect/cli"
import { log } from "../../src/cli/log.ts"
import { GuestRefusal } from "../../src/services/GuestApi.ts"
import { active, server } from "../http/harness.ts"
import { commands, portOfServer, quietly } from "./commands.ts"

const { coffer, runAt } = commands(Command.make("coffer").pipe(Command.withSubcommands([log])))

const oneOf = (...words: ReadonlyArray<string>) =>
  Effect.map(coffer(...words), ({ code, err, out }) => (code === 0 ? out : `${code}: ${err}`))

const general = {
  ...({ name: "general", type: "USER", status: "Ready", published: 3, pending: 40 } as const),
  ...{ container: "None", prefix: "None", metafile: "x/mysql-general_metafile" }
}

it.live("lists, shows and switches logs, in words and as the API tells it", () =>
  Effect.gen(function* () {
    const { guest } = yield* active({ name: "first" })
    guest.logs.list = [general]
    guest.logs.acted = Effect.succeed(general)
    expect(yield* oneOf("log", "list", "first")).toBe(
      "LOG      TYPE  STATUS  PUBLISHED  PENDING\ngeneral  USER  Ready   3          40\n"
    )
    expect(JSON.parse(yield* oneOf("log", "list", "first", "--json"))).toEqual({ logs: [general] })
    for (const verb of ["show", "enable", "disable", "publish", "discard"]) {
      expect(yield* oneOf("log", verb, "first", "general")).toContain("pending:   40 bytes")
      expect(JSON.parse(yield* oneOf("log", verb, "first", "general", "--json"))).toEqual({ log: general })
    }
    guest.logs.acted = Effect.fail(
      new GuestRefusal({ message: "Log 'general' is enabled by the configuration group." })
    )
    expect(yield* oneOf("log", "disable", "first", "general")).toBe(
      "1: coffer: Log 'general' is enabled by the configuration group.\n"
    )
    expect(yield* oneOf("log", "show", "first", "nosuch")).toBe(
      "1: coffer: Log 'nosuch' is not defined. See which there are: coffer log list first\n"
    )
    expect(yield* oneOf("log", "show", "first", "error")).toBe("1: coffer: You must be admin to show log 'error'.\n")
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)

it.live("tells the last lines, which steer no terminal", () =>
  Effect.gen(function* () {
    const { guest } = yield* active({ name: "first" })
    guest.logs.text = { offset: 0, next: 20, rotated: false, lines: ["one", "two\u001b[2J\tthree"] }
    expect(yield* oneOf("log", "tail", "first", "general")).toBe("one\ntwo [2J three\n")
    expect(JSON.parse(yield* oneOf("log", "tail", "first", "general", "--json")).log).toEqual({
      name: "general",
      ...guest.logs.text
    })
    expect(yield* oneOf("log", "tail", "-n", "1001", "first", "general")).toBe(
      "1: coffer: --lines must be 1 to 1000.\n"
    )
    expect(yield* oneOf("log", "tail", "-f", "--json", "first", "general")).toBe(
      "1: coffer: --json tells one document: leave out --follow.\n"
    )
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)

it.live("follows a log, and says when some of it was cut away", () =>
  Effect.gen(function* () {
    const { guest } = yield* active({ name: "first" })
    const printed = { out: "", err: "" }
    const shows = (isThere: () => boolean) =>
      Effect.repeat(Effect.sync(isThere), { until: (is) => is, times: 400, schedule: Schedule.spaced("25 millis") })
    guest.logs.text = { offset: 0, next: 4, rotated: false, lines: ["one"] }
    const following = yield* Effect.forkChild(
      runAt(yield* portOfServer, ["log", "tail", "-f", "first", "general"], printed)
    )
    expect(yield* shows(() => printed.out.includes("one\n"))).toBe(true)
    guest.logs.text = { offset: 90, next: 94, rotated: true, lines: ["two"] }
    expect(yield* shows(() => printed.out.includes("two\n"))).toBe(true)
    expect(printed.err).toContain("The log was cut: some of its lines are not told.\n")
    yield* Fiber.interrupt(following)
  }).pipe(Effect.scoped, Effect.provide(quietly(server())))
)
