/** The operator's policy file: two ways to write it, and what is said of one that cannot be read. */

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readPolicy } from "../../src/layers/config/policyFile.ts"
import { parsePolicy } from "../../src/layers/config/policyText.ts"
import { linesOf, temporaryFolder } from "./fixture.ts"

const rules = (text: string) =>
  Object.fromEntries(Result.getOrThrowWith(parsePolicy(text), (problems) => new Error(JSON.stringify(problems))))

const yaml = `---
# Who may do what.
"instance:create": "role:member and project_id:%(tenant)s"   # no readers

'instance:delete': 'rule:admin or role:''x'''
instance:show: rule:admin_or_owner  # anyone of the project
"datastore:index": ""
helper : (role:a or role:b)
"backup:index": '!'
`

const read = {
  "instance:create": "role:member and project_id:%(tenant)s",
  "instance:delete": "rule:admin or role:'x'",
  "instance:show": "rule:admin_or_owner",
  "datastore:index": "",
  helper: "(role:a or role:b)",
  "backup:index": "!"
}

const problemsOf = (text: string) =>
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "policy.yaml")
    writeFileSync(path, text)
    const { message } = yield* Effect.flip(readPolicy(path))
    return linesOf(message).map((line) => line.replaceAll(path, "FILE"))
  })

describe("a policy file", () => {
  it("may be YAML, a line for each rule", () => {
    expect(rules(yaml)).toEqual(read)
    expect(rules(yaml.replaceAll("\n", "\r\n"))).toEqual(read)
    expect(rules("")).toEqual({})
  })

  it("may be JSON", () => {
    expect(rules(JSON.stringify(read, null, 2))).toEqual(read)
    expect(rules("{}")).toEqual({})
  })

  const form = 'must be "NAME": "EXPRESSION", in at most 8192 characters'
  const refused: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ['"a": "b"\n- x\n"c"\n', [`FILE: line 2 ${form}`, `FILE: line 3 ${form}`]],
    ['"a": @', [`FILE: line 1 ${form}`]],
    ['"a":\n', [`FILE: line 1 ${form}`]],
    ['"a": ["role:b"]', [`FILE: line 1 ${form}`]],
    ['  "a": "b"', [`FILE: line 1 ${form}`]],
    ['"a": "b" "c"', [`FILE: line 1 ${form}`]],
    [`"a": "${"x".repeat(9000)}"`, [`FILE: line 1 ${form}`]],
    ['"instance:show": "@"\ninstance:show: "!"', ["FILE: instance:show is there twice: line 2"]],
    ['{"instance:show": "@", "instance:show": "!"}', ["FILE: instance:show is there twice"]],
    ['{"instance:show": ["role:a"]}', ["FILE: instance:show must be a text"]],
    ['{"instance:show": "@",}', ["FILE: is not JSON, although it begins with {"]],
    ['"instance:show": "role:a or"', ["FILE: instance:show column 10: a check is missing at the end"]],
    [
      '"instance:delte": "!"\n"instance:show": "rule:hlper"',
      [
        "FILE: instance:delte is no policy, and no other rule refers to it; the nearest is instance:delete",
        "FILE: instance:show refers to rule:hlper, which is not there"
      ]
    ],
    [" ".repeat(2 ** 20 + 1), ["FILE: must not be longer than 1048576 characters"]]
  ]

  it.effect.each(refused)("%j is refused, and all that is wrong is told", ([text, problems]) =>
    Effect.gen(function* () {
      expect(yield* problemsOf(text)).toEqual(problems)
    })
  )

  it.effect("that is not there is told", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(readPolicy("/nowhere/policy.yaml"))
      expect(linesOf(message)).toEqual(["/nowhere/policy.yaml: is not there"])
    })
  )
})
