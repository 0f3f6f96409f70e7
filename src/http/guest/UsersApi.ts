/** The routes of the users inside an instance. `:user` is a name, or `name@host`. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Text } from "../../services/Ids.ts"
import { Gate } from "../Gate.ts"
import { DatabaseNames, NewPasswords, NewUsers, UserChange } from "../Names.ts"
import { Validation } from "../Validation.ts"
import { Accepted, nextLinks, pageQuery, prefix, project } from "../Wire.ts"

const params = { ...project, instance: Schema.String }
const oneUser = { ...params, user: Text }

export const UserView = Schema.Struct({
  name: Schema.String,
  host: Schema.String,
  databases: Schema.Array(Schema.Struct({ name: Schema.String }))
})

export class UsersApi extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("list", "/instances/:instance/users", {
      params,
      query: pageQuery,
      success: Schema.Struct({ users: Schema.Array(UserView), ...nextLinks })
    }),
    HttpApiEndpoint.post("create", "/instances/:instance/users", {
      params,
      payload: Schema.Struct({ users: NewUsers }),
      success: Accepted
    }),
    HttpApiEndpoint.get("show", "/instances/:instance/users/:user", {
      params: oneUser,
      success: Schema.Struct({ user: UserView })
    }),
    HttpApiEndpoint.delete("remove", "/instances/:instance/users/:user", { params: oneUser, success: Accepted }),
    HttpApiEndpoint.put("update", "/instances/:instance/users/:user", {
      params: oneUser,
      payload: Schema.Struct({ user: UserChange }),
      success: Accepted
    }),
    HttpApiEndpoint.put("changePasswords", "/instances/:instance/users", {
      params,
      payload: Schema.Struct({ users: NewPasswords }),
      success: Accepted
    }),
    HttpApiEndpoint.get("grants", "/instances/:instance/users/:user/databases", {
      params: oneUser,
      success: Schema.Struct({ databases: Schema.Array(Schema.Struct({ name: Schema.String })) })
    }),
    HttpApiEndpoint.put("grant", "/instances/:instance/users/:user/databases", {
      params: oneUser,
      payload: Schema.Struct({ databases: DatabaseNames }),
      success: Accepted
    }),
    HttpApiEndpoint.delete("revoke", "/instances/:instance/users/:user/databases/:database", {
      params: { ...oneUser, database: Text },
      success: Accepted
    })
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Users", description: "Users inside an instance." })) {}
