/** What is answered to each command, and what it does to the model. */
import { expect } from "@effect/vitest"
import type { HttpMethod } from "effect/http"
import { defaultNetwork } from "../../../src/services/TenantNetwork.ts"
import { defaultZone } from "../../../src/services/Zones.ts"
import type { NewUser, OfInstance, Order } from "./Commands.ts"
import {
  accepted,
  badRequest,
  conflict,
  detailed,
  type Expected,
  type Instance,
  inOrder,
  type Model,
  notFound,
  overLimit,
  saying,
  unprocessable
} from "./Model.ts"

/** A request below `/instances/{id}`. */
export interface Request {
  readonly method: HttpMethod.HttpMethod
  readonly path: string
  readonly body?: unknown
}

const request = (method: HttpMethod.HttpMethod, path: string, body?: unknown): Request => ({ method, path, body })
const named = (names: ReadonlyArray<string>) => names.map((name) => ({ name }))
const told = (users: ReadonlyArray<NewUser>) =>
  users.map(({ databases, name, password }) => ({ name, password, databases: named(databases) }))
const segment = encodeURIComponent

export const orderOf = ({ databases, name, users, volume, zone }: Order) => ({
  instance: {
    ...{ name, flavorRef: 1, volume: { size: volume }, databases: named(databases), users: told(users) },
    ...(zone === null ? {} : { availability_zone: zone, nics: [{ "net-id": defaultNetwork.id }] })
  }
})

export const requestOf = (what: OfInstance): Request => {
  switch (what.do) {
    case "show":
      return request("GET", "")
    case "restart":
      return request("POST", "/action", { restart: {} })
    case "delete":
      return request("DELETE", "")
    case "rename":
      return request(what.by, "", { instance: { name: what.name } })
    case "show root":
      return request("GET", "/root")
    case "enable root":
      return request("POST", "/root", { password: what.password })
    case "disable root":
      return request("DELETE", "/root")
    case "list databases":
      return request("GET", `/databases?limit=${what.limit}`)
    case "list users":
      return request("GET", `/users?limit=${what.limit}`)
    case "create databases":
      return request("POST", "/databases", { databases: named(what.databases) })
    case "delete database":
      return request("DELETE", `/databases/${segment(what.database)}`)
    case "create users":
      return request("POST", "/users", { users: told(what.users) })
    case "show user":
      return request("GET", `/users/${segment(what.user)}`)
    case "list grants":
      return request("GET", `/users/${segment(what.user)}/databases`)
    case "delete user":
      return request("DELETE", `/users/${segment(what.user)}`)
    case "change user": {
      const { name, password } = what
      const user = { ...(name === undefined ? {} : { name }), ...(password === undefined ? {} : { password }) }
      return request("PUT", `/users/${segment(what.user)}`, { user })
    }
    case "change passwords":
      return request("PUT", "/users", { users: what.users })
    case "grant":
      return request("PUT", `/users/${segment(what.user)}/databases`, { databases: named(what.databases) })
    case "revoke":
      return request("DELETE", `/users/${segment(what.user)}/databases/${segment(what.database)}`)
  }
}

const reserved = badRequest(saying("is on the reserved list"))
const hasReserved = (databases: ReadonlyArray<string>) => databases.includes("postgres")
const hasTwo = (names: ReadonlyArray<string>) => new Set(names).size < names.length

/** What is wrong with new databases by themselves. */
const wrongDatabases = (databases: ReadonlyArray<string>): Expected | null => {
  if (hasReserved(databases)) return reserved
  return hasTwo(databases) ? badRequest(saying("Two or more databases share the same name")) : null
}

const wrongUsers = (users: ReadonlyArray<NewUser>): Expected | null => {
  if (users.some(({ databases, name }) => name === "root" || hasReserved(databases))) return reserved
  return hasTwo(users.map(({ name }) => name)) ? badRequest(saying("Two or more users share the same name")) : null
}

/** Why an order is refused, if it is. */
export const refusedOrder = (model: Model, project: string, order: Order): Expected | null => {
  const { databases, users, volume, zone } = order
  if (volume > 10) return overLimit(`Volume 'size' cannot exceed maximum of 10 GB, ${volume} cannot be accepted.`)
  const wrong = wrongDatabases(databases) ?? wrongUsers(users)
  if (wrong !== null) return wrong
  if (users.some((user) => user.databases.some((name) => !databases.includes(name))))
    return badRequest(saying("is not included in the initial databases list"))
  if (zone !== null && zone !== defaultZone) return badRequest(saying("['availability_zone'] must be a zone"))
  const exceeded = model.exceeded(project, volume)
  const listed = exceeded.map((resource) => `'${resource}'`).join(", ")
  return exceeded.length === 0 ? null : overLimit(`Quota exceeded for resources: [${listed}].`)
}

const makeUsers = (instance: Pick<Instance, "users">, users: ReadonlyArray<NewUser>) => {
  for (const { databases, name, password } of users) instance.users.set(name, { password, grants: new Set(databases) })
}

export const ordered = (id: string, project: string, order: Order, now: number): Instance => {
  const { databases, name, users, volume, zone } = order
  const phase = { phase: "building" as const, since: now, root: null }
  const inside = { databases: new Set(databases), users: new Map() }
  const instance = { id, project, name, volume, zone, created: now, ...phase, ...inside }
  makeUsers(instance, users)
  return instance
}

const doing: Record<Exclude<Instance["phase"], "active" | "gone">, string> = {
  building: "instance status was BUILD",
  restarting: "task status was (3 REBOOTING Rebooting the instance.)",
  failed: "instance status was ERROR",
  deleting: "task status was (2 DELETING Deleting the instance.)"
}

const enter = (instance: Instance, phase: Instance["phase"], now: number) => {
  instance.phase = phase
  instance.since = now
}

/** What is answered to an administrator who has its operation done again: only a build that failed can be. */
export const answerToRetry = (instance: Instance, now: number): Expected => {
  if (instance.phase !== "failed") return conflict(saying(`Instance ${instance.id}: retry is refused.`))
  enter(instance, "building", now)
  return accepted
}

/** What is answered to who may ask of the instance. */
export const answerOf = (instance: Instance, what: OfInstance, now: number): Expected => {
  switch (what.do) {
    case "show":
      return { status: 200, body: { instance: detailed(instance) } }
    case "rename":
      instance.name = what.name
      return accepted
    case "restart": {
      if (instance.phase !== "active" && instance.phase !== "gone") {
        const why = doing[instance.phase]
        return unprocessable(
          `Instance ${instance.id} is not currently available for an action to be performed (${why}).`
        )
      }
      enter(instance, "restarting", now)
      return accepted
    }
    case "delete":
      if (instance.phase !== "deleting") enter(instance, "deleting", now)
      return accepted
    default:
      return instance.phase === "active"
        ? inside(instance, what)
        : unprocessable(`Instance ${instance.id} is not ready.`)
  }
}

type Inside = Exclude<OfInstance, { readonly do: "show" | "rename" | "restart" | "delete" }>

/** Of a database that serves. */
const inside = (instance: Instance, what: Inside): Expected => {
  const { databases, users } = instance
  switch (what.do) {
    case "show root":
      return { status: 200, body: { rootEnabled: instance.root !== null } }
    case "enable root":
      instance.root = what.password
      return { status: 200, body: { user: { name: "root", password: what.password } } }
    case "disable root":
      if (instance.root === null) return notFound("Root user has never been enabled on the instance.")
      instance.root = null
      return { status: 204, body: null }
    case "list databases":
      return { status: 200, body: { databases: named(inOrder(databases).slice(0, what.limit)) } }
    case "list users": {
      const page = inOrder(users.keys()).slice(0, what.limit)
      return { status: 200, body: { users: page.map((name) => userView(instance, name)) } }
    }
    case "create databases": {
      const wrong = wrongDatabases(what.databases)
      if (wrong !== null) return wrong
      const there = what.databases.find((name) => databases.has(name))
      if (there !== undefined) return badRequest(`A database with the name "${there}" already exists.`)
      for (const name of what.databases) databases.add(name)
      return accepted
    }
    case "delete database": {
      const missing = missingDatabase(instance, what.database)
      if (missing !== null) return missing
      databases.delete(what.database)
      for (const { grants } of users.values()) grants.delete(what.database)
      return accepted
    }
    case "create users": {
      const wrong = wrongUsers(what.users)
      if (wrong !== null) return wrong
      const there = what.users.find(({ name }) => users.has(name))
      if (there !== undefined) return badRequest(`A user with the name "${there.name}" already exists.`)
      const missing = what.users.flatMap((user) => user.databases).find((name) => !databases.has(name))
      if (missing !== undefined) return badRequest(`There is no database ${missing}.`)
      makeUsers(instance, what.users)
      return accepted
    }
    case "change passwords": {
      for (const { name } of what.users) {
        const missing = missingUser(instance, name)
        if (missing !== null) return missing
      }
      for (const { name, password } of what.users) Object.assign(users.get(name) ?? {}, { password })
      return accepted
    }
    default:
      return ofUser(instance, what)
  }
}

const userView = ({ users }: Instance, name: string) => ({
  name,
  host: "%",
  databases: named([...(users.get(name)?.grants ?? [])].sort())
})

const missingDatabase = ({ databases }: Instance, name: string) => {
  if (hasReserved([name])) return reserved
  return databases.has(name) ? null : notFound(`Database ${name} cannot be found on the instance.`)
}

const missingUser = ({ users }: Instance, name: string) => {
  if (name === "root") return reserved
  return users.has(name) ? null : notFound(`User ${name}@% cannot be found on the instance.`)
}

const ofUser = (instance: Instance, what: Extract<Inside, { readonly user: string }>): Expected => {
  const { users } = instance
  if (what.do === "change user" && what.name === "root") return reserved
  const missing = missingUser(instance, what.user)
  const user = users.get(what.user)
  if (missing !== null || user === undefined) return missing ?? notFound(expect.anything())
  switch (what.do) {
    case "show user":
      return { status: 200, body: { user: userView(instance, what.user) } }
    case "list grants":
      return { status: 200, body: { databases: userView(instance, what.user).databases } }
    case "delete user":
      users.delete(what.user)
      return accepted
    case "change user": {
      const name = what.name ?? what.user
      if (name !== what.user && users.has(name)) return badRequest(`A user with the name "${name}" already exists.`)
      users.delete(what.user)
      users.set(name, { password: what.password ?? user.password, grants: user.grants })
      return accepted
    }
    case "grant": {
      for (const name of what.databases) {
        const missing = missingDatabase(instance, name)
        if (missing !== null) return missing
      }
      for (const name of what.databases) user.grants.add(name)
      return accepted
    }
    case "revoke":
      if (!user.grants.has(what.database))
        return notFound(`User ${what.user} has no access to database ${what.database}.`)
      user.grants.delete(what.database)
      return accepted
  }
}
