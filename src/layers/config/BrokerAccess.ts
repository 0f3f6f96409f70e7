/** What follows from the broker's settings: how guests reach it, and how its management API is asked. */
import { Option, Redacted } from "effect"
import type { Configuration } from "./Configuration.ts"

type Broker = Configuration["broker"]
type SecretUrl = Redacted.Redacted

export const hasCredentials = (url: SecretUrl): boolean => {
  const { password, username } = new URL(Redacted.value(url))
  return username !== "" || password !== ""
}

export const isEncrypted = (url: SecretUrl): boolean => Redacted.value(url).toLowerCase().startsWith("amqps:")

const withoutCredentials = (url: SecretUrl): URL => {
  const bare = new URL(Redacted.value(url))
  bare.username = ""
  bare.password = ""
  return bare
}

/** How guests reach the broker: with credentials where they share them, else without, to be given each its own. */
export const guestUrls = ({ guest_urls, urls }: Broker): ReadonlyArray<SecretUrl> =>
  guest_urls ?? (urls ?? []).map((url) => Redacted.make(withoutCredentials(url).href))

/** Where RabbitMQ's management API is, and as whom to ask it. */
export interface ManagementAccess {
  /** Without credentials. */
  readonly url: URL
  readonly username: string
  readonly password: Redacted.Redacted
}

export const managementAccess = ({ management_url, urls }: Broker): Option.Option<ManagementAccess> => {
  if (management_url === undefined) return Option.none()
  const owner = hasCredentials(management_url) ? management_url : urls?.[0]
  if (owner === undefined) return Option.none()
  const { password, username } = new URL(Redacted.value(owner))
  return Option.some({
    url: withoutCredentials(management_url),
    username: decodeURIComponent(username),
    password: Redacted.make(decodeURIComponent(password))
  })
}
