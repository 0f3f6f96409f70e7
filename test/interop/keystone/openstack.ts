/** OpenStack's client, as a user of a Keystone runs it: nothing is said of where our api is. */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { passwordOf } from "./keystone.ts"

const run = promisify(execFile)

/** What it prints, as JSON. */
export const openstackAs = async (
  { project, url, user }: { readonly url: string; readonly user: string; readonly project: string },
  command: ReadonlyArray<string>
) => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OS_")))
  const credentials = {
    OS_AUTH_URL: url,
    OS_USERNAME: user,
    OS_PASSWORD: passwordOf(user),
    OS_PROJECT_NAME: project,
    OS_USER_DOMAIN_NAME: "Default",
    OS_PROJECT_DOMAIN_NAME: "Default",
    OS_IDENTITY_API_VERSION: "3"
  }
  return (await run("openstack", [...command, "-f", "json"], { env: { ...env, ...credentials } })).stdout
}
