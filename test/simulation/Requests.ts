/**
 * What tenants and an administrator ask of the api, legal and not: each with every status that the api documents for
 * it where nothing was broken. Chosen by dice.
 */
import type { HttpMethod } from "effect/http"
import { defaultNetwork } from "../../src/services/TenantNetwork.ts"
import { defaultZone } from "../../src/services/Zones.ts"
import type { bodies } from "./Answers.ts"
import type { Known as KnownToken } from "./Api.ts"
import type { Dice } from "./Dice.ts"
import { type Known, shortOf } from "./Witness.ts"

export interface Ask {
  /** In words. */
  readonly what: string
  readonly method: HttpMethod.HttpMethod
  readonly path: string
  readonly token: string | null
  readonly body: string | null
  readonly headers: Readonly<Record<string, string>>
  /** The statuses that may come of it. */
  readonly may: ReadonlyArray<number>
  /** What a 200 holds; null: nothing is looked at. */
  readonly body200: keyof typeof bodies | null
  /** Who must not be shown what is others'; null for an administrator. */
  readonly tenant: string | null
  /** What no answer may hold. */
  readonly secrets: ReadonlyArray<string>
  /** The instance that it asks something of, where that is accepted with 202. */
  readonly of: string | null
}

export const tenantNames = ["one", "two"] as const

/** The database that is to be in each instance. */
export const ordered = "shop"

/** So many that no server starts. */
export const fatalConnections = 262_143

const secret = "s3cret of a user"
const tokenOf = (who: string) => `token of ${who}`

export const tokens: ReadonlyArray<KnownToken> = [
  ...tenantNames.map((name) => ({ token: tokenOf(name), project: name, admin: false })),
  { token: tokenOf("admin"), project: "admin", admin: true }
]

interface Options {
  readonly body?: unknown
  readonly raw?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body200?: keyof typeof bodies
  readonly of?: string
  readonly as?: string | null
  readonly project?: string
}

/** A request of somebody, for his own project unless told otherwise. */
const asking =
  (who: string) =>
  (
    what: string,
    method: HttpMethod.HttpMethod,
    rest: string,
    may: ReadonlyArray<number>,
    options: Options = {}
  ): Ask => ({
    what: `${who} ${what}`,
    method,
    path: `/v1.0/${options.project ?? who}${rest}`,
    token: options.as === undefined ? tokenOf(who) : options.as,
    body: options.raw ?? (options.body === undefined ? null : JSON.stringify(options.body)),
    headers: options.headers ?? {},
    may,
    body200: options.body200 ?? null,
    tenant: who === "admin" ? null : who,
    secrets: [secret],
    of: options.of ?? null
  })

const narrow = { is_public: false, allowed_cidrs: ["10.0.0.0/8", "192.168.7.0/24", "10.1.0.0/16"] }

const order = (name: string) => ({
  name,
  flavorRef: 1,
  volume: { size: 1 },
  databases: [{ name: ordered }],
  users: [{ name: "ann", password: secret, databases: [{ name: ordered }] }]
})

/** A name that belongs to nobody else. */
export const nameOf = (tenant: string, n: number) => `${tenant}'s db ${n}.`

/** The zone that the second machine is in, where there is one and it has reported. */
export const otherZone = "az2"

/** Where it is to be: anywhere, or in a zone on the network that there is. */
const placed = (n: number) =>
  n % 5 > 1 ? {} : { availability_zone: n % 5 === 0 ? otherZone : defaultZone, nics: [{ "net-id": defaultNetwork.id }] }

export const create = (tenant: string, n: number): Ask =>
  asking(tenant)("orders", "POST", "/instances", n % 5 > 1 ? [200, 413] : [200, 400, 413], {
    body: { instance: { ...order(nameOf(tenant, n)), ...placed(n), ...(n % 3 === 0 ? { access: narrow } : {}) } },
    body200: "one"
  })

export const remove = (tenant: string, id: string): Ask =>
  asking(tenant)(`deletes ${shortOf(id)}`, "DELETE", `/instances/${id}`, [202, 404], { of: id })

export const restart = (tenant: string, id: string): Ask =>
  asking(tenant)(`restarts ${shortOf(id)}`, "POST", `/instances/${id}/action`, [202, 404, 422], {
    body: { restart: {} },
    of: id
  })

/** To a version that it may have already. */
export const upgrade = (tenant: string, id: string): Ask =>
  asking(tenant)(`upgrades ${shortOf(id)}`, "PATCH", `/instances/${id}`, [202, 400, 404, 422], {
    body: { instance: { datastore_version: "18.4" } },
    of: id
  })

/** Also to what it is, or less than it has: what is not possible is refused. */
export const resize = (dice: Dice, tenant: string, id: string): Ask => {
  const size = dice.pick([{ flavorRef: "1" }, { flavorRef: "2" }, { volume: { size: dice.between(1, 3) } }])
  return asking(tenant)(`resizes ${shortOf(id)}`, "POST", `/instances/${id}/action`, [202, 400, 404, 413, 422], {
    body: { resize: size },
    of: id
  })
}

export const switched = (tenant: string, id: string, action: "restart" | "stop" | "start"): Ask =>
  asking(tenant)(`asks to ${action} ${shortOf(id)}`, "POST", `/instances/${id}/action`, [202, 404, 422], {
    body: { [action]: {} },
    of: id
  })

/** From the image of a version that it may not have. */
export const rebuild = (dice: Dice, id: string): Ask =>
  asking("admin")(`rebuilds ${shortOf(id)}`, "POST", `/mgmt/instances/${id}/action`, [202, 400, 404, 422], {
    body: { rebuild: { image_id: dice.pick(["v-1", "v-1", "v-2"]) } },
    of: id
  })

/** Settings that are taken at once, that wait for a restart, and that no server starts with. */
export const settings = [
  { work_mem: 200 },
  { work_mem: 300, jit: false },
  { max_connections: 50 },
  { max_connections: 60, work_mem: 400 },
  { max_connections: fatalConnections }
] as const

export const group = (dice: Dice, tenant: string): Ask =>
  asking(tenant)("keeps settings", "POST", "/configurations", [200], {
    body: { configuration: { name: `${tenant}'s settings`, values: dice.pick(settings) } }
  })

export const regroup = (dice: Dice, tenant: string, id: string): Ask => {
  const ask = asking(tenant)
  const one = `/configurations/${id}`
  const configuration = { values: dice.pick(settings) }
  return dice.pick([
    () => ask("adds settings", "PATCH", one, [200, 404], { body: { configuration } }),
    () => ask("changes settings", "PUT", one, [202, 404], { body: { configuration } }),
    () => ask("looks at settings", "GET", one, [200, 404]),
    () => ask("looks whose settings they are", "GET", `${one}/instances`, [200, 404]),
    () =>
      ask("sets what cannot be set", "PATCH", one, [404, 422], { body: { configuration: { values: { port: 1 } } } }),
    () => ask("lets go of settings", "DELETE", one, [202, 400, 404])
  ])()
}

/** Who may reach what is there, or was. */
export const open = (dice: Dice, tenant: string, id: string): Ask =>
  asking(tenant)(`says who reaches ${shortOf(id)}`, "PUT", `/instances/${id}`, [202, 404], {
    body: { instance: { access: dice.pick([{ allowed_cidrs: ["10.0.0.0/8"] }, narrow, { is_public: true }, {}]) } }
  })

/** To what is there, or was. */
export const attach = (tenant: string, id: string, configuration: string | null): Ask =>
  asking(tenant)(
    `${configuration === null ? "detaches" : "attaches"} settings ${configuration === null ? "from" : "to"} ${shortOf(id)}`,
    "PUT",
    `/instances/${id}`,
    [202, 400, 404],
    { body: { instance: { configuration } } }
  )

/** Looks at its own, and changes it in ways that no operation is for. */
export const look = (dice: Dice, tenant: string, mine: string | null): Ask => {
  const ask = asking(tenant)
  const page = `limit=${dice.between(1, 30)}`
  const general = [
    () => ask("lists", "GET", `/instances?${page}`, [200], { body200: "list" }),
    () => ask("lists from a marker", "GET", `/instances?${page}&marker=5`, [200], { body200: "list" }),
    () => ask("lists all there is", "GET", "/instances/detail", [200], { body200: "details" }),
    () => ask("looks at its limits", "GET", "/limits", [200]),
    () => ask("looks at its quotas", "GET", `/mgmt/quotas/${tenant}`, [200])
  ]
  if (mine === null) return dice.pick(general)()
  const one = `/instances/${mine}`
  const named = { name: nameOf(tenant, dice.between(100, 999)) }
  const guests = [400, 404, 422]
  return dice.pick([
    ...general,
    () => ask("looks", "GET", one, [200, 404], { body200: "one" }),
    () => ask("looks", "GET", one, [200, 404], { body200: "one" }),
    () => ask("reads a history", "GET", `${one}/history`, [200, 404], { body200: "history" }),
    () => ask("renames", "PUT", one, [202, 404], { body: { instance: named } }),
    () => ask("lists databases", "GET", `${one}/databases`, [200, ...guests]),
    () =>
      ask("makes a database", "POST", `${one}/databases`, [202, ...guests], {
        body: { databases: [{ name: "more" }] }
      }),
    () => ask("drops a database", "DELETE", `${one}/databases/more`, [202, ...guests]),
    () =>
      ask("makes a user", "POST", `${one}/users`, [202, ...guests], {
        body: { users: [{ name: "bob", password: secret }] }
      }),
    () => ask("lists users", "GET", `${one}/users`, [200, ...guests])
  ])()
}

/** Has statements logged, or not, and reads what was. */
export const log = (dice: Dice, tenant: string, id: string): Ask => {
  const ask = asking(tenant)
  const logs = `/instances/${id}/log`
  const may = [200, 400, 404, 422]
  const act = (action: string) => () =>
    ask(`would ${action} a log of ${shortOf(id)}`, "POST", logs, may, { body: { name: "general", [action]: 1 } })
  return dice.pick<() => Ask>([
    act("enable"),
    act("enable"),
    act("disable"),
    act("publish"),
    act("discard"),
    () => ask("lists logs", "GET", logs, may),
    () => ask("reads a log", "GET", `${logs}/general`, may)
  ])()
}

/** An order that breaks one rule. */
const badOrder = (dice: Dice, tenant: string): Ask => {
  const ask = asking(tenant)
  const good = order(nameOf(tenant, 0))
  const { name: _, ...nameless } = good
  const [instance, status] = dice.pick<readonly [unknown, number]>([
    [nameless, 400],
    [{ ...good, name: 5 }, 400],
    [{ ...good, name: "x".repeat(256) }, 400],
    [{ ...good, name: "---" }, 400],
    [{ ...good, flavorRef: "no such" }, 400],
    [{ ...good, flavorRef: null }, 400],
    [{ ...good, flavorRef: { id: 1 } }, 400],
    [{ ...good, volume: null }, 400],
    [{ ...good, volume: { size: 0 } }, 400],
    [{ ...good, volume: { size: "many" } }, 400],
    [{ ...good, volume: { size: 1_000 } }, 413],
    [{ ...good, datastore: { type: "no such" } }, 404],
    [{ ...good, datastore: { type: "postgresql", version: "no such" } }, 400],
    [{ ...good, databases: [{ name: "postgres" }] }, 400],
    [{ ...good, databases: Array.from({ length: 101 }, (_, n) => ({ name: `d${n}` })) }, 400],
    [{ ...good, users: [{ name: "ann" }] }, 400],
    [{ ...good, users: [{ name: "ann", password: secret, databases: [{ name: "other" }] }] }, 400],
    [{ ...good, replica_of: "something" }, 501],
    [{ ...good, nics: [{ "net-id": "n" }] }, 400],
    [{ ...good, nics: [{ "net-id": "11111111-2222-4333-8444-555555555555" }] }, 400],
    [{ ...good, availability_zone: "nowhere" }, 400],
    [{ ...good, locality: "near" }, 400],
    [null, 400],
    ["all of them", 400]
  ])
  return ask("orders what cannot be", "POST", "/instances", [status], { body: { instance } })
}

/** What has to be refused: `others` are ids of another tenant's. */
export const illegal = (dice: Dice, tenant: string, mine: string | null, others: ReadonlyArray<string>): Ask => {
  const ask = asking(tenant)
  const stranger = tenantNames.find((name) => name !== tenant) ?? "nobody"
  const unknown = dice.pick(["00000000-0000-4000-8000-000000000000", "no-id", "%00", "a".repeat(300)])
  const id = others.length > 0 && dice.chance(0.7) ? dice.pick(others) : unknown
  const one = `/instances/${id}`
  const own = `/instances/${mine ?? unknown}`
  const may = (status: number) => (mine === null ? [status, 404] : [status, 404])
  const what = `asks for ${shortOf(id)}, which is not its own`
  return dice.pick<() => Ask>([
    () => badOrder(dice, tenant),
    () => badOrder(dice, tenant),
    () => badOrder(dice, tenant),
    () => ask("sends no JSON", "POST", "/instances", [400], { raw: '{"instance": {' }),
    () => ask("sends a list", "POST", "/instances", [400], { body: [] }),
    () => ask("sends text", "POST", "/instances", [415], { raw: "order", headers: { "content-type": "text/plain" } }),
    () => ask("sends too much", "POST", "/instances", [413], { raw: "{}", headers: { "content-length": "2000000" } }),
    () => ask(what, "GET", one, [404]),
    () => ask(what, "GET", one, [404]),
    () => ask(what, "GET", `${one}/history`, [404]),
    () => ask(what, "DELETE", one, [404]),
    () => ask(what, "POST", `${one}/action`, [404], { body: { restart: {} } }),
    () => ask(what, "PUT", one, [404], { body: { instance: { name: "mine now" } } }),
    () => ask(what, "GET", `${one}/databases`, [404]),
    () => ask(what, "POST", `${one}/users`, [404], { body: { users: [{ name: "eve", password: secret }] } }),
    () => ask("is nobody", "GET", "/instances/detail", [401], { as: null }),
    () => ask("has a wrong token", "DELETE", own, [401], { as: "no such token" }),
    () => ask("asks as another tenant", "GET", "/instances/detail", [403], { project: stranger }),
    () => ask("orders as another tenant", "POST", "/instances", [403], { project: stranger, body: {} }),
    () => ask("asks for nothing", "POST", `${own}/action`, may(400), { body: {} }),
    () => ask("asks for two things", "POST", `${own}/action`, may(400), { body: { restart: {}, resize: {} } }),
    () => ask("asks for what is not known", "POST", `${own}/action`, may(400), { body: { fly: {} } }),
    () => ask("asks for what is not yet", "POST", `${own}/action`, may(501), { body: { eject_replica_source: {} } }),
    () => ask("renames to nothing", "PUT", own, may(400), { body: { instance: { name: "" } } }),
    () => ask("wants a page of nothing", "GET", "/instances?limit=0", [400]),
    () => ask("wants a page of many", "GET", "/instances?limit=many", [400]),
    () => ask("takes a wrong way", "GET", "/nowhere", [404]),
    () => ask("takes a way in another manner", "DELETE", "/instances", [404]),
    () => ask("wants operations", "GET", "/mgmt/operations", [403]),
    () =>
      ask("would operate", "POST", `/mgmt${own.replace("instances", "operations")}/action`, [403], {
        body: { cancel: {} }
      }),
    () => ask("wants an audit", "GET", "/mgmt/audit", [403]),
    () => ask("would put right", "POST", "/mgmt/audit", [403], { body: { audit: { fix: true } } }),
    () => ask("wants everybody's", "GET", "/mgmt/instances", [401]),
    () => ask("would reset", "POST", `${own}/action`, may(403), { body: { reset_status: {} } }),
    () => ask("wants another's quotas", "GET", `/mgmt/quotas/${stranger}`, [403]),
    () => ask("grants itself more", "PUT", `/mgmt/quotas/${tenant}`, [401], { body: { quotas: { instances: 100 } } })
  ])()
}

/** What an administrator does: looks at everything, and has operations called off, taken back, done again. */
export const operator = (dice: Dice, all: ReadonlyArray<Known>): Ask => {
  const ask = asking("admin")
  const moving = all.filter(({ state }) => !["New", "Active", "Stopped", "Deleted"].includes(state._tag))
  const some = moving.length > 0 && dice.chance(0.8) ? moving : all
  const one = some.length === 0 ? null : dice.pick(some).desired
  const id = one?.id ?? "00000000-0000-4000-8000-000000000000"
  const act = (action: string) => () =>
    ask(`would ${action} ${shortOf(id)}`, "POST", `/mgmt/operations/${id}/action`, [202, 404, 409], {
      body: { [action]: {} },
      of: id
    })
  const bad = (body: unknown) => () =>
    ask("asks for no action", "POST", `/mgmt/operations/${id}/action`, [400], { body })
  return dice.pick<() => Ask>([
    act("cancel"),
    act("compensate"),
    act("retry"),
    act("retry"),
    act(dice.pick(["cancel", "compensate"])),
    bad({}),
    bad({ cancel: {}, retry: {} }),
    bad({ cancel: { now: true } }),
    () => ask("lists operations", "GET", "/mgmt/operations", [200], { body200: "operations" }),
    () => ask("looks at an operation", "GET", `/mgmt/operations/${id}`, [200, 404], { body200: "operation" }),
    () => ask("audits", "GET", "/mgmt/audit", [200, 500], { body200: "audit" }),
    () => ask("puts right", "POST", "/mgmt/audit", [200, 500], { body: { audit: { fix: true } }, body200: "audit" }),
    () =>
      ask("lists a tenant's", "GET", "/instances/detail", [200], {
        project: one?.project ?? "one",
        body200: "details"
      }),
    () => ask("reads a history", "GET", `/instances/${id}/history`, [200, 404], { body200: "history" }),
    () => ask("lists everybody's", "GET", `/mgmt/instances?limit=${dice.between(1, 9)}`, [200], { body200: "managed" }),
    () =>
      ask(
        `looks at the machine of ${shortOf(id)}`,
        "GET",
        `/mgmt/instances/${id}/${dice.pick(["hwinfo", "diagnostics"])}`,
        [200, 400, 404, 422]
      ),
    () =>
      ask(`resets ${shortOf(id)}`, "POST", `/mgmt/instances/${id}/action`, [202, 404], {
        body: { "reset-task-status": {} }
      }),
    () =>
      ask("sets a quota to nonsense", "PUT", "/mgmt/quotas/one", [400, 404], { body: { quotas: { instances: -7 } } })
  ])()
}
