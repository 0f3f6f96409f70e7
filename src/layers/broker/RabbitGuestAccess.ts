/**
 * A guest's own way into RabbitMQ: a user of its own with the rights of `GuestRights.ts`, made at build and taken
 * away at delete through the management API. Its password is derived from its key, so that asking again gives the
 * same link and nothing of it has to be kept.
 */
import { Context, Duration, Effect, Layer, Option, type Redacted, Schedule, Schema } from "effect"
import type { HttpClient } from "effect/http"
import { conductorTopic } from "../../services/ConductorApi.ts"
import { GuestAccess, GuestAccessError } from "../../services/GuestAccess.ts"
import { guestTopic } from "../../services/GuestApi.ts"
import type { InstanceId } from "../../services/Ids.ts"
import { AccessInventory } from "../../services/Inventories.ts"
import type { Names } from "../fabric/oslo/Topology.ts"
import { type GuestKey, Keyring } from "../fabric/secure/Keyring.ts"
import * as BrokerTopology from "./BrokerTopology.ts"
import { held, userOf } from "./GuestInventory.ts"
import { rightsOf } from "./GuestRights.ts"
import { withLogin } from "./GuestUrls.ts"
import * as Logins from "./Logins.ts"
import * as Management from "./Management.ts"
import * as QueueBounds from "./QueueBounds.ts"
import * as Restoration from "./Restoration.ts"

export interface Options {
  /** How guests reach the brokers, without user and password. */
  readonly guestUrls: ReadonlyArray<Redacted.Redacted>
  /** With the user and password of an administrator. */
  readonly managementUrl: Redacted.Redacted
  readonly vhost: string
  /** The control exchange, and the kind of the queues. */
  readonly names: Names
  readonly bounds?: QueueBounds.QueueBounds
}

/** How long the whole of a guest's access may take to make or to remove. */
export const patience = Duration.seconds(60)

/** How often it is seen to that the broker still has what all guests need. */
export const upkeepInterval = Duration.seconds(30)

/** How often it is looked whether more is left to be removed. */
const lookAgain = Duration.millis(100)

/** How many queues are found and removed at a time. */
const pageSize = 100

const failed = (detail: string) => Effect.fail(new GuestAccessError({ detail }))

const otherwise =
  "Or let all guests share one login, which then can read what the others are told: broker.shared_guest_credentials."

/** Tags are a list, and were one text before RabbitMQ 3.9. */
const Whoami = Schema.Struct({
  name: Schema.String,
  tags: Schema.Union([Schema.Array(Schema.String), Schema.String])
})
const Anything = Schema.Record(Schema.String, Schema.Unknown)

/** The management API answers, and lets us make users. */
const check = Effect.fnUntraced(function* (management: Management.Management, vhost: string) {
  const me = yield* management
    .find(["whoami"], Whoami)
    .pipe(
      Effect.catch(({ detail }) =>
        failed(
          `${detail} Guests get a login each through it. Enable it on the broker with "rabbitmq-plugins enable ` +
            `rabbitmq_management", and name it with its user and password: broker.management_url. ${otherwise}`
        )
      )
    )
  if (Option.isNone(me)) return yield* failed(`At ${management.address} is no management API of RabbitMQ. ${otherwise}`)
  const { name, tags } = me.value
  if (!(typeof tags === "string" ? tags.split(",") : tags).includes("administrator")) {
    return yield* failed(
      `RabbitMQ's user ${name} may not make users. Let it with "rabbitmqctl set_user_tags ${name} administrator". ${otherwise}`
    )
  }
  if (Option.isNone(yield* management.find(["vhosts", vhost], Anything))) {
    return yield* failed(`RabbitMQ has no virtual host ${vhost}.`)
  }
})

const inTime = <A>(what: string, effect: Effect.Effect<A, GuestAccessError>) =>
  Effect.timeoutOrElse(effect, {
    duration: patience,
    orElse: () => failed(`${what} took longer than ${Duration.toSeconds(patience)} seconds.`)
  })

/** What can be done for guests at a broker; to have it does nothing there. */
const makeGuests = Effect.fnUntraced(function* ({ guestUrls, managementUrl, names, vhost }: Options) {
  const keyring = yield* Keyring
  const management = yield* Management.make(managementUrl)
  yield* check(management, vhost)
  const topology = BrokerTopology.make({ management, vhost, names })
  const logins = Logins.make(management, vhost)

  /** The queue, the rights and the login of a guest that has this key. */
  const give = Effect.fnUntraced(function* (id: InstanceId, known: GuestKey) {
    const user = userOf(id)
    const password = Logins.passwordOf(known.key)
    const rights = rightsOf(known.protocol, id, conductorTopic, names)
    yield* topology.ensureGuest(id, known.protocol, rights.controlExchange)
    yield* logins.ensure(user, password, rights)
    return {
      urls: yield* Effect.forEach(guestUrls, (url) => withLogin(url, { user, password, vhost })),
      controlExchange: rights.controlExchange,
      declares: known.protocol === "trove",
      protocol: known.protocol,
      key: known.key
    }
  })

  const grant: GuestAccess["Service"]["grant"] = Effect.fn("GuestAccess.grant")(function* (id, agent) {
    const known = yield* keyring.ensure(id, agent)
    yield* topology.ensureShared
    return yield* give(id, known)
  })

  const Page = Schema.Struct({ items: Schema.Array(Schema.Struct({ name: Schema.String })) })

  /** Trove's agents make queues under names that they choose. */
  const removeFanoutQueues = Effect.fnUntraced(function* (topic: string) {
    const pattern = encodeURIComponent(`^${topic.replaceAll(".", "\\.")}_fanout_`)
    const query = `?page=1&page_size=${pageSize}&use_regex=true&columns=name&name=${pattern}`
    const removeSome = Effect.gen(function* () {
      const page = yield* management.find(["queues", vhost], Page, query)
      const queues = Option.isSome(page) ? page.value.items : []
      yield* Effect.forEach(queues, ({ name }) => management.remove(["queues", vhost, name]), { discard: true })
      return queues.length
    })
    yield* Effect.repeat(removeSome, { until: (removed) => removed === 0, schedule: Schedule.spaced(lookAgain) })
  })

  const revoke: GuestAccess["Service"]["revoke"] = Effect.fn("GuestAccess.revoke")(function* (id) {
    const user = userOf(id)
    const topic = guestTopic(id)
    yield* logins.remove(user)
    for (const queue of [topic, `${topic}.${id}`]) yield* management.remove(["queues", vhost, queue])
    const known = yield* keyring.find(id)
    if (Option.isNone(known) || known.value.protocol === "trove") {
      yield* removeFanoutQueues(topic)
      for (const exchange of [topic, `${topic}_fanout`]) yield* management.remove(["exchanges", vhost, exchange])
    }
    yield* keyring.forget(id)
  })

  const access = GuestAccess.of({
    grant: (id, agent) => inTime("Giving the guest its login", grant(id, agent)),
    revoke: (id) => inTime("Taking the guest's login away", revoke(id))
  })
  const giveAgain = (id: InstanceId, known: GuestKey) => inTime("Giving the guest its login", give(id, known))

  const inventory = AccessInventory.of({
    all: inTime("Looking at what guests have", held({ keyring, management, vhost })),
    restore: Effect.fn("AccessInventory.restore")(function* (id) {
      const known = yield* keyring.find(id)
      if (Option.isNone(known)) return false
      yield* topology.ensureShared
      yield* giveAgain(id, known.value)
      // Who was deleted meanwhile was given it after it was taken back. Its key may be remembered here still.
      const still = (yield* keyring.all).some(({ instance }) => instance === id)
      if (!still) yield* access.revoke(id)
      return still
    })
  })
  return { access, giveAgain, inventory, keyring, management, topology }
})

/** Makes and keeps what all guests need. */
const keepUp = Effect.fnUntraced(function* (
  { access, giveAgain, keyring, management, topology }: Effect.Success<ReturnType<typeof makeGuests>>,
  { bounds, vhost }: Options
) {
  yield* topology.ensureShared
  const ensureBounds = QueueBounds.ensure(management, vhost, bounds ?? QueueBounds.defaultBounds)
  yield* ensureBounds
  yield* QueueBounds.warnOfRivals(management, vhost)

  const restore = Restoration.make({
    keyring,
    isNeeded: Effect.map(topology.isComplete, (isComplete) => !isComplete),
    before: ensureBounds,
    give: giveAgain,
    takeBack: access.revoke,
    after: topology.complete
  })
  const telling = (upkeep: Effect.Effect<void, GuestAccessError>) =>
    upkeep.pipe(
      Effect.catch(({ detail }) => Effect.logWarning(`the broker may lack what guests need: ${detail}`)),
      Effect.catchDefect((defect) => Effect.logWarning("the broker may lack what guests need", defect))
    )
  // The store may be away as well as the broker: either is looked at again.
  yield* telling(restore).pipe(
    Effect.andThen(
      Effect.repeat(
        Effect.delay(telling(Effect.andThen(topology.ensureShared, restore)), upkeepInterval),
        Schedule.forever
      )
    ),
    Effect.forkScoped
  )
})

const layerOf = (options: Options, isKept: boolean) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const guests = yield* makeGuests(options)
      if (isKept) yield* keepUp(guests, options)
      return Context.make(GuestAccess, guests.access).pipe(Context.add(AccessInventory, guests.inventory))
    })
  )

type Provided = Layer.Layer<GuestAccess | AccessInventory, GuestAccessError, Keyring | HttpClient.HttpClient>

/** Fails where the management API cannot be used, and says what to do. */
export const layer = (options: Options): Provided => layerOf(options, true)

/** For who only looks, or does one thing: nothing is made or kept up at the broker until it is asked for. */
export const layerWithoutUpkeep = (options: Options): Provided => layerOf(options, false)
