/** Passwords of users who are ordered with an instance. */
import { expect, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { passwordsFor } from "../../src/cli/userPasswords.ts"
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
