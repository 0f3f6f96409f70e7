/** How guests get into the broker, as the configuration has it: each with a login of its own, or all with one. */
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import * as RabbitGuestAccess from "../broker/RabbitGuestAccess.ts"
import * as SharedGuestAccess from "../broker/SharedGuestAccess.ts"
import { guestUrls, managementAccess } from "../config/BrokerAccess.ts"
import type { ConfigurationOf } from "../config/Configuration.ts"
import { parseUrl } from "../fabric/amqp/Urls.ts"
import { names } from "./ControlPlane.ts"

type Config = ConfigurationOf<"taskmanager">

/** Nothing says how guests are to log in. */
class NoManagement extends Schema.TaggedError<NoManagement>()("NoManagement", {}) {
  override get message() {
    return (
      "Guests get a login each through RabbitMQ's management API, and broker.management_url does not name it. " +
      'Enable it with "rabbitmq-plugins enable rabbitmq_management" and name it, or let all guests share one login ' +
      "by broker.shared_guest_credentials."
    )
  }
}

/** What logins are made with: the management API as an administrator, and how guests reach the broker. */
export const rabbitOptions = Effect.fnUntraced(function* (config: Config) {
  const access = managementAccess(config.broker)
  if (Option.isNone(access)) return yield* new NoManagement()
  const { password, url, username } = access.value
  const administered = new URL(url)
  administered.username = encodeURIComponent(username)
  administered.password = encodeURIComponent(Redacted.value(password))
  const vhost = config.broker.urls.flatMap(parseUrl)[0]?.vhost ?? "/"
  return {
    guestUrls: guestUrls(config.broker),
    managementUrl: Redacted.make(administered.href),
    vhost,
    names: names(config)
  }
})

/** `upkeep`: whether what guests need is made and kept at the broker, as by a taskmanager. */
export const layer = (config: Config, { upkeep }: { readonly upkeep: boolean } = { upkeep: true }) => {
  const { control_exchange: controlExchange, shared_guest_credentials: isShared } = config.broker
  if (isShared) return SharedGuestAccess.layer({ guestUrls: guestUrls(config.broker), controlExchange })
  const rabbit = upkeep ? RabbitGuestAccess.layer : RabbitGuestAccess.layerWithoutUpkeep
  return Layer.unwrap(Effect.map(rabbitOptions(config), rabbit))
}
