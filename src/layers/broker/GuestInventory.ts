/**
 * What the broker holds for guests, by name: their logins and their queues, and the keys that these go with. Users are
 * the whole broker's, so only those count that have a right in our virtual host.
 */
import { Effect, Option, Schema } from "effect"
import type { AccessPart, Found } from "../../services/Audit.ts"
import type { GuestAccessError } from "../../services/GuestAccess.ts"
import { guestTopic } from "../../services/GuestApi.ts"
import { InstanceId } from "../../services/Ids.ts"
import type { HeldAccess } from "../../services/Inventories.ts"
import type { Keyring } from "../fabric/secure/Keyring.ts"
import type { Management } from "./Management.ts"

const prefix = "guest-"

/** The broker's user of a guest. */
export const userOf = (id: InstanceId) => `${prefix}${id}`

/** How many queues are read at a time. RabbitMQ gives 500 at the most. */
const pageSize = 500

const isInstanceId = Schema.is(InstanceId)

const Permissions = Schema.Array(Schema.Struct({ user: Schema.String }))
const Page = Schema.Struct({ items: Schema.Array(Schema.Struct({ name: Schema.String })), page_count: Schema.Int })

/** Whose it is, by a name that begins so; anything else is not Coffer's. */
const ownersOf = (resource: AccessPart, names: ReadonlyArray<string>, start: string): ReadonlyArray<Found> => {
  const length = "00000000-0000-0000-0000-000000000000".length
  const ids = names.flatMap((name) => {
    const id = name.slice(start.length, start.length + length)
    return name.startsWith(start) && isInstanceId(id) ? [{ id, rest: name.slice(start.length + length) }] : []
  })
  // Trove's agents make several, `<topic>.<server>` and `<topic>_fanout_…`; of one instance they count as one.
  const mine = ids.filter(({ rest }) => rest === "" || (resource === "queue" && /^[._]/.test(rest)))
  return [...new Set(mine.map(({ id }) => id))].map((instance) => ({ resource, instance, since: null }))
}

export const keysOf = (guests: Effect.Success<Keyring["Service"]["all"]>): ReadonlyArray<Found> =>
  guests.map(({ instance }) => ({ resource: "key", instance, since: null }))

interface Held {
  readonly management: Management
  readonly vhost: string
  readonly keyring: Keyring["Service"]
}

export const held = ({ keyring, management, vhost }: Held): Effect.Effect<HeldAccess, GuestAccessError> =>
  Effect.gen(function* () {
    const permissions = yield* management.find(["vhosts", vhost, "permissions"], Permissions)
    const users = Option.match(permissions, { onNone: () => [], onSome: (all) => all.map(({ user }) => user) })
    const queues: Array<string> = []
    const pattern = encodeURIComponent(`^${guestTopic("").replaceAll(".", "\\.")}`)
    for (let page = 1, pages = 1; page <= pages; page++) {
      const query = `?page=${page}&page_size=${pageSize}&use_regex=true&columns=name&name=${pattern}`
      const found = yield* management.find(["queues", vhost], Page, query)
      // A page that there is no more: they have become fewer meanwhile.
      if (Option.isNone(found)) break
      queues.push(...found.value.items.map(({ name }) => name))
      pages = found.value.page_count
    }
    return {
      covers: ["login", "queue", "key"],
      found: [
        ...ownersOf("login", users, prefix),
        ...ownersOf("queue", queues, guestTopic("")),
        ...keysOf(yield* keyring.all)
      ]
    }
  })
