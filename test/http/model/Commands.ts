/** What tenants and an administrator may ask of the API, and that time passes: drawn at random, as plain data. */
import * as fc from "fast-check"

/** Of which instance something is asked, and by whom: by its owner, or by a tenant of whatever there ever was. */
export type Which =
  | { readonly there: number }
  | { readonly ever: number; readonly by: string }
  | { readonly never: true; readonly by: string }

export interface NewUser {
  readonly name: string
  readonly password: string
  readonly databases: ReadonlyArray<string>
}

export interface Order {
  readonly do: "create"
  readonly name: string
  readonly volume: number
  readonly zone: string | null
  readonly databases: ReadonlyArray<string>
  readonly users: ReadonlyArray<NewUser>
}

/** What is asked of one instance. */
export type OfInstance =
  | { readonly do: "show" | "restart" | "delete" }
  | { readonly do: "show root" | "disable root" }
  | { readonly do: "rename"; readonly by: "PUT" | "PATCH"; readonly name: string }
  | { readonly do: "enable root"; readonly password: string }
  | { readonly do: "list databases" | "list users"; readonly limit: number }
  | { readonly do: "create databases"; readonly databases: ReadonlyArray<string> }
  | { readonly do: "delete database"; readonly database: string }
  | { readonly do: "create users"; readonly users: ReadonlyArray<NewUser> }
  | { readonly do: "show user" | "list grants" | "delete user"; readonly user: string }
  | { readonly do: "change user"; readonly user: string; readonly name?: string; readonly password?: string }
  | { readonly do: "change passwords"; readonly users: ReadonlyArray<Omit<NewUser, "databases">> }
  | { readonly do: "grant"; readonly user: string; readonly databases: ReadonlyArray<string> }
  | { readonly do: "revoke"; readonly user: string; readonly database: string }

export type Command =
  /** Doomed: its server does not start, where no other is just being started. */
  | (Order & { readonly tenant: string; readonly doomed: boolean })
  | { readonly do: "retry"; readonly there: number; readonly by: "operator" | "tenant" }
  | { readonly do: "list"; readonly tenant: string; readonly detail: boolean; readonly limit: number }
  | { readonly do: "ask"; readonly which: Which; readonly what: OfInstance }
  | {
      readonly do: "set quota"
      readonly tenant: string
      readonly by: "operator" | "tenant"
      readonly limits: { readonly instances?: number; readonly volumes?: number }
    }
  | { readonly do: "pass"; readonly millis: number }

export const tenants = ["demo", "alpha", "beta"] as const

type Some<A> = Array<fc.MaybeWeightedArbitrary<A>>
const often = <A>(weight: number, arbitrary: fc.Arbitrary<A>) => ({ weight, arbitrary })
const one = <const A>(value: A) => fc.constant(value)

const tenant = fc.constantFrom(...tenants)
const which = fc.oneof<Some<Which>>(
  often(14, fc.record({ there: fc.nat(5) })),
  fc.record({ ever: fc.nat(5), by: tenant }),
  fc.record({ never: one(true), by: tenant })
)

/** Few, so that they meet; some whose order is that of bytes, and some that URLs and markers have to encode. */
const goodDatabase = fc.constantFrom("shop", "%7Az", "B", "ä1")
const goodUser = fc.constantFrom("ann", "%7Ao", "ö1")
const database = fc.oneof(often(12, goodDatabase), one("postgres"))
const user = fc.oneof(often(12, one("ann")), often(6, goodUser), one("root"))
const name = fc.constantFrom("first", "second", "third")
const password = fc.constantFrom("pw1", "pw2", "pw3")
const limit = fc.constantFrom(1, 2, 3, 20)

const few = { maxLength: 2 }
const some = { minLength: 1, maxLength: 2 }
const databases = fc.oneof(often(9, fc.uniqueArray(goodDatabase, few)), fc.array(database, few))

/** Users with grants, mostly to what is there most of the time. */
const usersWith = (grants: fc.Arbitrary<string>) => {
  const fields = { name: user, password, databases: fc.uniqueArray(grants, few) }
  const good = fc.uniqueArray(fc.record({ ...fields, name: goodUser }), { ...few, selector: ({ name }) => name })
  return fc.oneof(often(9, good), fc.array(fc.record(fields), few))
}
const newUsers = fc.oneof(often(4, usersWith(one("shop"))), usersWith(database))
const firstDatabases = fc.oneof(
  often(
    9,
    fc.uniqueArray(goodDatabase, { maxLength: 4 }).map((all) => [...new Set(["shop", ...all])])
  ),
  databases
)

const what = fc.oneof<Some<OfInstance>>(
  often(2, fc.record({ do: one("show") })),
  often(3, fc.record({ do: one("restart") })),
  often(2, fc.record({ do: one("delete") })),
  often(2, fc.record({ do: one("rename"), by: fc.constantFrom("PUT", "PATCH"), name })),
  often(2, fc.record({ do: fc.constantFrom("show root", "disable root") })),
  often(3, fc.record({ do: one("enable root"), password })),
  fc.record({ do: fc.constantFrom("list databases", "list users"), limit }),
  often(3, fc.record({ do: one("create databases"), databases })),
  often(2, fc.record({ do: one("delete database"), database })),
  often(3, fc.record({ do: one("create users"), users: newUsers })),
  often(2, fc.record({ do: fc.constantFrom("show user", "list grants", "delete user"), user })),
  fc.record({ do: one("change user"), user, name: user, password }, { requiredKeys: ["do", "user", "name"] }),
  fc.record({ do: one("change user"), user, password }),
  fc.record({ do: one("change passwords"), users: fc.array(fc.record({ name: user, password }), few) }),
  often(3, fc.record({ do: one("grant"), user, databases: fc.uniqueArray(database, some) })),
  fc.record({ do: one("revoke"), user, database })
)

const create = fc.record({
  do: one("create"),
  tenant,
  name,
  volume: fc.constantFrom(1, 1, 1, 2, 10, 11),
  zone: fc.constantFrom(null, null, null, null, "nova", "nova", "az9"),
  databases: firstDatabases,
  users: fc.oneof(
    often(
      3,
      fc.record({ name: one("ann"), password, databases: one(["shop"]) }).map((ann) => [ann])
    ),
    newUsers
  ),
  doomed: fc.integer({ min: 0, max: 4 }).map((drawn) => drawn === 4)
})
const retry = fc.record({ do: one("retry"), there: fc.nat(5), by: fc.constantFrom("operator", "operator", "tenant") })
const pass = fc.record({ do: one("pass"), millis: fc.constantFrom(100, 1000, 8000, 8000, 8000) })
const limits = fc.record(
  { instances: fc.constantFrom(-1, 1, 2, 4), volumes: fc.constantFrom(-1, 0, 3, 12) },
  { requiredKeys: [] }
)

const command = fc.oneof<Some<Command>>(
  often(4, create),
  often(2, retry),
  often(2, fc.record({ do: one("list"), tenant, detail: fc.boolean(), limit })),
  often(24, fc.record({ do: one("ask"), which, what })),
  often(2, fc.record({ do: one("set quota"), tenant, by: fc.constantFrom("operator", "operator", "tenant"), limits })),
  often(6, pass)
)

/** They begin with what there is most of, so that there is something to ask of. */
export const commands = fc
  .tuple(fc.array(create, { minLength: 1, maxLength: 3 }), pass, fc.array(command, { maxLength: 80, size: "max" }))
  .map(([first, then, all]): ReadonlyArray<Command> => [...first, then, ...all])
