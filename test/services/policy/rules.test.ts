/** Operators' rules: what they mean, and what is said of those that mean nothing. */
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { parse } from "../../../src/services/policy/Expression.ts"
import { type Asker, compile } from "../../../src/services/policy/Rules.ts"

const rulesOf = (written: Readonly<Record<string, string>>) =>
  Result.getOrThrowWith(compile(new Map(Object.entries(written))), (problems) => new Error(JSON.stringify(problems)))

const problems = (written: Readonly<Record<string, string>>) =>
  Result.match(compile(new Map(Object.entries(written))), {
    onSuccess: () => [],
    onFailure: (all) => all.map(({ problem, rule }) => `${rule}: ${problem}`)
  })

const asker = (...roles: ReadonlyArray<string>): Asker => ({ project: "p1", user: "u1", roles })

/** Whether they may create an instance by this expression, for their own project. */
const allows = (expression: string, who: Asker, tenant = "p1") =>
  rulesOf({ "instance:create": expression }).permits("instance:create", who, tenant)

const member = asker("Member")

const expressions: ReadonlyArray<readonly [string, boolean]> = [
  ["", true],
  ["  ", true],
  ["@", true],
  ["!", false],
  ["role:member", true],
  ["role:MEMBER", true],
  ["role:reader", false],
  ["not role:reader", true],
  ["not not role:reader", false],
  ["role:reader or role:member", true],
  ["role:reader and role:member", false],
  ["role:member or role:reader and !", true],
  ["(role:member or role:reader) and !", false],
  ["not role:reader and role:member", true],
  ["not (role:reader or role:member)", false],
  ["project_id:%(tenant)s", true],
  ["(project_id:%(tenant)s)", true],
  ["tenant:%(project_id)s", true],
  ["project_id:p1", true],
  ["project_id:p2", false],
  ["user_id:u1", true],
  ["user_id:u2", false],
  ["user_id:%(user_id)s", false],
  ["user_id:%(tenant)s", false],
  ["is_admin:True", false],
  ["is_admin:False", true],
  ["rule:admin", false],
  ["rule:admin_or_owner", true],
  ["role:a AND role:b Or rule:admin_or_owner", true]
]

describe("an expression", () => {
  it.each(expressions)("%j of a member is %s", (text, expected) => {
    expect(allows(text, member)).toBe(expected)
  })

  it("is asked of the project whose it is", () => {
    expect(allows("project_id:%(tenant)s", member, "p2")).toBe(false)
    expect(allows("rule:admin_or_owner", member, "p2")).toBe(false)
    expect(allows("rule:admin_or_owner", asker("admin"), "p2")).toBe(true)
  })

  const refused: ReadonlyArray<readonly [string, string]> = [
    ["role:a or", "column 10: a check is missing at the end"],
    ["and role:a", 'column 1: a check is missing before "and"'],
    ["role:a or or role:b", 'column 11: a check is missing before "or"'],
    ["role:a role:b", 'column 8: "and" or "or" is missing before "role:b"'],
    ["(role:a", "column 8: the bracket of column 1 is not closed"],
    ["role:a)", "column 7: this bracket was not opened"],
    ["()", 'column 2: a check is missing before ")"'],
    ["not", "column 4: a check is missing at the end"],
    ["admin", 'column 1: "admin" is no check; one is written as role:NAME'],
    ["role:", "column 1: role: must be followed by a name"],
    [
      "role:a or http://x/y",
      'column 11: "http:" is not known; known are rule:, role:, project_id:, tenant:, user_id:, user:, is_admin:'
    ],
    ["project_id:%(nobody)s", "column 1: %(nobody)s is not known; known are %(tenant)s, %(project_id)s, %(user_id)s"],
    ["project_id:x%(tenant)s", 'column 1: "x%(tenant)s" must be a whole text, or one such as %(tenant)s alone'],
    ["is_admin:yes", "column 1: is_admin: must be followed by True or False"],
    [`${"(".repeat(60)}@${")".repeat(60)}`, "column 52: more than 50 brackets and nots in each other"],
    [`role:${"a".repeat(5000)}`, "is longer than 4096 characters"]
  ]

  it.each(refused)("%j is refused with its place", (text, why) => {
    expect(parse(text)).toEqual(Result.fail(why))
    expect(problems({ "instance:create": text })).toEqual([`instance:create: ${why}`])
  })
})

describe("a set of rules", () => {
  it("of nothing is Trove's", () => {
    const rules = rulesOf({})
    expect(rules.permits("instance:create", asker(), "p1")).toBe(true)
    expect(rules.permits("instance:create", asker(), "p2")).toBe(false)
    expect(rules.permits("instance:reset_status", member, "p1")).toBe(false)
    expect(rules.permits("instance:reset_status", asker("admin"), "p2")).toBe(true)
    expect(rules.permits("datastore:index", asker(), "p2")).toBe(true)
    expect(rules.permits("datastore:delete", member, "p1")).toBe(false)
    expect([rules.isAdmin(member), rules.isAdmin(asker("reader", "Admin"))]).toEqual([false, true])
  })

  it("may write over any of them, and name its own", () => {
    const rules = rulesOf({ writer: "role:member or rule:admin", "instance:create": "rule:writer", default: "!" })
    expect(rules.permits("instance:create", asker("reader"), "p1")).toBe(false)
    expect(rules.permits("instance:create", member, "p1")).toBe(true)
    expect(rules.permits("instance:show", asker("reader"), "p1")).toBe(true)
  })

  it("says who is an administrator", () => {
    const rules = rulesOf({ context_is_admin: "role:dba", "instance:create": "is_admin:True" })
    expect(rules.isAdmin(asker("admin"))).toBe(false)
    expect(rules.permits("instance:create", asker("dba"), "p1")).toBe(true)
    expect(rules.permits("datastore:delete", asker("dba"), "p1")).toBe(true)
  })

  it("with a name that nobody asks is refused, for it was mistyped", () => {
    expect(problems({ "instance:delte": "!", helper: "@" })).toEqual([
      "instance:delte: is no policy, and no other rule refers to it",
      "helper: is no policy, and no other rule refers to it"
    ])
  })

  it("that refers to what is not there is refused", () => {
    expect(problems({ "instance:create": "rule:a or rule:b", a: "rule:admin" })).toEqual([
      "instance:create: refers to rule:b, which is not there"
    ])
  })

  it("that goes round in a circle is refused, and the circle shown", () => {
    expect(problems({ "instance:create": "rule:a", a: "rule:b or role:x", b: "not rule:a" })).toEqual([
      "a: refers to itself: a -> b -> a",
      "b: refers to itself: b -> a -> b"
    ])
    expect(problems({ admin: "rule:admin" })).toEqual(["admin: refers to itself: admin -> admin"])
    expect(problems({ admin: "rule:admin_or_owner" })).toEqual([
      "admin: refers to itself: admin -> admin_or_owner -> admin"
    ])
  })

  it("is bounded: in how many there are, and how far they refer on", () => {
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`r${n}`, "@"]))
    expect(problems(many)).toEqual([": must not hold more than 1000 rules"])
    const chain = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`r${n}`, `rule:r${n + 1}`]))
    expect(problems({ "instance:create": "rule:r0", ...chain, r30: "@" })).toContain(
      "instance:create: refers on through more than 20 rules"
    )
  })

  it("that branches again and again is answered at once", () => {
    const branching = Object.fromEntries(
      Array.from({ length: 15 }, (_, n) => [`r${n}`, Array.from({ length: 50 }, () => `rule:r${n + 1}`).join(" or ")])
    )
    expect(
      rulesOf({ "instance:create": "rule:r0", ...branching, r15: "!" }).permits("instance:create", member, "p1")
    ).toBe(false)
  })
})
