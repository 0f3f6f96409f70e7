/** Passwords of users who are ordered with an instance. */
import { expect, it } from "@effect/vitest"
import { Console, Effect, Option, Redacted } from "effect"
import { failed } from "../../src/cli/connection.ts"
import { passwordsFor, tellingInCase } from "../../src/cli/userPasswords.ts"
import { fileWith } from "../config/fixture.ts"

const told = (users: ReadonlyArray<string>, file: string | null) =>
  Effect.map(passwordsFor(users, { passwordFile: Option.fromNullishOr(file), askPassword: false }), (passwords) =>
    passwords.map(({ isDrawn, name, password }) => [name, Redacted.value(password), isDrawn] as const)
  )

it.effect("are drawn where there is no file, long and each another", () =>
  Effect.gen(function* () {
    const names = Array.from({ length: 50 }, (_, n) => `u${n}`)
    const drawn = yield* told(names, null)
    expect(drawn.map(([name]) => name)).toEqual(names)
    expect(new Set(drawn.map(([, password]) => password)).size).toBe(50)
    for (const [, password, isDrawn] of drawn) {
      expect(isDrawn).toBe(true)
      expect(password).toMatch(/^[\w-]{24}$/)
    }
  })
)

it.effect("are the lines of the file, in the order of the users", () =>
  Effect.gen(function* () {
    expect(yield* told(["ann", "bob"], yield* fileWith("one: two \nthree\n"))).toEqual([
      ["ann", "one: two ", false],
      ["bob", "three", false]
    ])
    expect(yield* told(["ann"], yield* fileWith("no end"))).toEqual([["ann", "no end", false]])
  })
)

it.effect("are refused where a line is missing, empty or too much, and none is told", () =>
  Effect.gen(function* () {
    for (const [users, text] of [
      [["ann", "bob"], "hush\n"],
      [["ann"], "hush\nhush\n"],
      [["ann", "bob"], "hush\n\n"],
      [["ann"], ""],
      [[], "hush\n"]
    ] as const) {
      const { message } = yield* Effect.flip(told(users, yield* fileWith(text)))
      expect(message).toMatch(/has to hold one line for each user/)
      expect(message).not.toContain("hush")
    }
    expect((yield* Effect.flip(told(["ann"], "/nowhere/passwords"))).message).toBe(
      "The password file /nowhere/passwords cannot be read (ENOENT)."
    )
  })
)

/** What is told of a drawn password when a request fails with this. */
const toldAfter = Effect.fnUntraced(function* (message: string, status: number | null) {
  const lines: Array<string> = []
  const captured: Console.Console = { ...globalThis.console, log: (line) => void lines.push(line) }
  const drawn = [{ name: "ann", password: Redacted.make("drawn-1"), isDrawn: true }]
  const request = Effect.fail(failed(message, status)).pipe(
    tellingInCase(drawn, { json: false }, "Who knows. If so:", { users: null })
  )
  yield* Effect.flip(request).pipe(Effect.provideService(Console.Console, captured))
  return lines
})

it.effect("are told where a request may have been done, and not where it was refused", () =>
  Effect.gen(function* () {
    const told = ["Who knows. If so:", "The password of ann, told only now: drawn-1"]
    expect(yield* toldAfter("Nothing answers.", null)).toEqual(told)
    expect(yield* toldAfter("Internal Server Error.", 500)).toEqual(told)
    const late = "its guest agent did not answer in time; what was asked may have happened."
    expect(yield* toldAfter(`An error occurred communicating with the guest: ${late}`, 400)).toEqual(told)
    expect(yield* toldAfter("A user with this name is there.", 400)).toEqual([])
  })
)
