import { expect, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import * as TokenIdentity from "../../../src/layers/identity/TokenIdentity.ts"
import { Identity } from "../../../src/services/Identity.ts"
import { ProjectId } from "../../../src/services/Ids.ts"

const identity = TokenIdentity.layer([
  { token: Redacted.make("anns-token-0123456"), project: "demo", user: "ann", admin: false },
  { token: Redacted.make("roots-token-0123456"), project: "ops", user: "root", admin: true }
])

const authenticate = (project: string, token: string | null) =>
  Effect.flatMap(Identity, ({ authenticate }) =>
    authenticate(ProjectId.make(project), Option.map(Option.fromNullishOr(token), Redacted.make))
  ).pipe(Effect.provide(identity))

it.effect("a token stands for its user, in its project", () =>
  Effect.gen(function* () {
    expect(yield* authenticate("demo", "anns-token-0123456")).toEqual({
      project: "demo",
      user: "ann",
      roles: ["member"]
    })
    expect(yield* Effect.flip(authenticate("other", "anns-token-0123456"))).toMatchObject({
      _tag: "WrongProject",
      project: "demo"
    })
  })
)

it.effect("an administrator's token is good in every project", () =>
  Effect.gen(function* () {
    expect(yield* authenticate("demo", "roots-token-0123456")).toMatchObject({ user: "root", roles: ["admin"] })
  })
)

it.effect("nobody else is let in", () =>
  Effect.gen(function* () {
    for (const token of [null, "", "anns-token", "anns-token-01234567"])
      expect(yield* Effect.flip(authenticate("demo", token))).toMatchObject({ _tag: "Unauthenticated" })
  })
)
