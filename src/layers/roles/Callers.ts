/** Who knows the callers of `coffer api`: a Keystone, or the configuration itself. */
import type { Configuration } from "../config/Configuration.ts"
import * as KeystoneIdentity from "../identity/KeystoneIdentity.ts"
import * as TokenIdentity from "../identity/TokenIdentity.ts"

/** With the version, which may have been written or not. */
const versioned = (url: string) => `${url.replace(/\/+$/, "").replace(/\/v3$/, "")}/v3`

export const layer = ({ api, keystone }: Configuration) => {
  const { auth_url, ca_file, cache_lifetime, password, timeout, username } = keystone
  if (auth_url === undefined || username === undefined || password === undefined)
    return TokenIdentity.layer(api.tokens ?? [])
  return KeystoneIdentity.layer(
    {
      url: versioned(auth_url),
      publicUrl: keystone.www_authenticate_uri ?? auth_url,
      username,
      password,
      project: keystone.project_name,
      userDomain: keystone.user_domain_name,
      projectDomain: keystone.project_domain_name,
      cacheLifetime: cache_lifetime,
      timeout
    },
    ca_file
  )
}
