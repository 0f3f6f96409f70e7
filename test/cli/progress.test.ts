/** How an operation comes along, on a terminal and elsewhere. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Entry } from "../../src/cli/answers.ts"
import { makeProgress } from "../../src/cli/progress.ts"
import { CurrentScreen, type Screen } from "../../src/cli/terminal.ts"
import { anInstance, aStep } from "./fixture.ts"

const screenOf = (columns: number | null) => {
  const written: Array<string> = []
  return { written, screen: { columns, write: (text: string) => void written.push(text) } }
}

const make = (screen: Screen, before: ReadonlyArray<Entry>) =>
  Effect.provideService(makeProgress(before), CurrentScreen, screen)

const done: Entry = { ...aStep, outcome: "done", ended_at: "2026-11-22T09:00:03.500", waits_for: null }
const begun: Entry = {
  kind: "transition",
  at: "2026-11-22T09:00:00.000",
  from: "New",
  to: "Building",
  because: "asked"
}

it.effect("elsewhere each new entry is a line, once when it begins and once when it ends", () =>
  Effect.gen(function* () {
    const { screen, written } = screenOf(null)
    const { end, show } = yield* make(screen, [begun])
    for (const entries of [[begun], [begun, aStep], [begun, aStep], [begun, done]])
      yield* show({ instance: anInstance, entries })
    yield* end
    expect(written).toEqual([
      "09:00:01    … wait for the database, waits for a login\n",
      "09:00:01    ✓ wait for the database (2.5 s)\n"
    ])
  })
)

it.effect("on a terminal one line tells the step, what it waits for and how long it has, and is wiped away", () =>
  Effect.gen(function* () {
    const { screen, written } = screenOf(200)
    const { end, show } = yield* make(screen, [])
    yield* show({ instance: anInstance, entries: [begun] })
    yield* TestClock.adjust("2 seconds")
    yield* show({ instance: anInstance, entries: [begun] })
    yield* show({ instance: anInstance, entries: [begun, aStep] })
    yield* TestClock.adjust("7 seconds")
    yield* show({ instance: anInstance, entries: [begun, aStep] })
    yield* show({
      instance: anInstance,
      entries: [
        { ...aStep, outcome: "failed" },
        { ...aStep, attempt: 2 }
      ]
    })
    yield* end
    const step = "wait for the database, waits for a login"
    expect(written.map((text) => text.replace("\r\u001b[K", "|"))).toEqual([
      "|first  BUILD 0 s",
      "|first  BUILD 2 s",
      `|first  BUILD 0 s: ${step}`,
      `|first  BUILD 7 s: ${step}`,
      "|first  BUILD 0 s: wait for the database, attempt 2, waits for a login",
      "|"
    ])
  })
)

it.effect("no line is longer than the terminal, and none steers it", () =>
  Effect.gen(function* () {
    const { screen, written } = screenOf(20)
    const { show } = yield* make(screen, [])
    const waits_for = `\u001b[2J\n${"🚀".repeat(100)}`
    yield* show({ instance: { ...anInstance, name: "x\r" }, entries: [{ ...aStep, step: "s", waits_for }] })
    const [text = ""] = written
    expect(text.startsWith("\r\u001b[K")).toBe(true)
    const rest = text.slice("\r\u001b[K".length)
    expect([...rest]).toHaveLength(19)
    expect(rest).not.toMatch(/\p{Cc}/u)
  })
)
