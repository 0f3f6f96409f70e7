// The calls, in the order in which one leaves to the next what it needs.
package main

import (
	"encoding/json"
	"fmt"
	"path"
	"sort"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/db/v1/configurations"
	"github.com/gophercloud/gophercloud/openstack/db/v1/databases"
	"github.com/gophercloud/gophercloud/openstack/db/v1/datastores"
	"github.com/gophercloud/gophercloud/openstack/db/v1/flavors"
	"github.com/gophercloud/gophercloud/openstack/db/v1/instances"
	"github.com/gophercloud/gophercloud/openstack/db/v1/users"
	"github.com/gophercloud/gophercloud/pagination"
)

const nowhere = "11111111-2222-4333-8444-555555555555"

// Every page of a list, as one.
func all(list pagination.Pager) pagination.Page {
	page, err := list.AllPages()
	if err != nil {
		judge("all pages of a list", false, "them", err.Error())
	}
	return page
}

func whatThereIsToOrder(client *gophercloud.ServiceClient) {
	offered, err := datastores.ExtractDatastores(all(datastores.List(client)))
	does("datastores.List", `.*postgresql.*`, err, offered)
	datastore, err := datastores.Get(client, "postgresql").Extract()
	does("datastores.Get", `postgresql \[\{\S+ \[.*\] 18\}.*`, err, datastore.Name, datastore.Versions)
	versions, err := datastores.ExtractVersions(all(datastores.ListVersions(client, datastore.ID)))
	does("datastores.ListVersions", `.*18.*`, err, versions)
	version, err := datastores.GetVersion(client, datastore.ID, datastore.DefaultVersion).Extract()
	does("datastores.GetVersion", `18`, err, version.Name)

	sizes, err := flavors.ExtractFlavors(all(flavors.List(client)))
	does("flavors.List", `.*db\.tiny.*`, err, sizes)
	flavor, err := flavors.Get(client, "1").Extract()
	does("flavors.Get", `1 1 db\.tiny 512`, err, flavor.ID, flavor.StrID, flavor.Name, flavor.RAM)
	fails("flavors.Get of none", 404, `itemNotFound`, flavors.Get(client, "none").Err)

	settings, err := configurations.ExtractParams(all(configurations.ListDatastoreParams(client, datastore.ID, version.ID)))
	does("configurations.ListDatastoreParams", `.*work_mem.*`, err, settings)
	setting, err := configurations.GetDatastoreParam(client, datastore.ID, version.ID, "max_connections").Extract()
	does("configurations.GetDatastoreParam", `262143 1 true integer`, err, setting.Max, setting.Min, setting.RestartRequired, setting.Type)
	settings, err = configurations.ExtractParams(all(configurations.ListGlobalParams(client, version.ID)))
	does("configurations.ListGlobalParams", `.*work_mem.*`, err, settings)
	setting, err = configurations.GetGlobalParam(client, version.ID, "work_mem").Extract()
	does("configurations.GetGlobalParam", `work_mem false`, err, setting.Name, setting.RestartRequired)
}

// Debian's gophercloud is older than its package `quotas`, which asks this.
func quotas(client *gophercloud.ServiceClient) {
	project := path.Base(client.Endpoint)
	var body interface{}
	_, err := client.Get(client.ServiceURL("mgmt", "quotas", project), &body, nil)
	said, _ := json.Marshal(body)
	does("quotas.Get", `\{"quotas":\[\{"in_use":0,"limit":10,"reserved":0,"resource":"instances"\},.*`, err, string(said))
}

func configurationGroup(client *gophercloud.ServiceClient) string {
	empty, err := configurations.ExtractConfigs(all(configurations.List(client)))
	does("configurations.List of none", `\[\]`, err, empty)
	group, err := configurations.Create(client, configurations.CreateOpts{
		Name:        "tuned",
		Description: "more memory",
		Values:      map[string]interface{}{"work_mem": 8192},
		Datastore:   &configurations.DatastoreOpts{Type: "postgresql", Version: "18"},
	}).Extract()
	does("configurations.Create", `tuned more memory map\[work_mem:8192\] postgresql 18`, err,
		group.Name, group.Description, group.Values, group.DatastoreName, group.DatastoreVersionName)
	_, err = configurations.Create(client, configurations.CreateOpts{
		Name:      "bad",
		Values:    map[string]interface{}{"work_mem": 1},
		Datastore: &configurations.DatastoreOpts{Type: "postgresql", Version: "18"},
	}).Extract()
	fails("configurations.Create of what the server refuses", 422, `work_mem`, err)

	does("configurations.Update", "", configurations.Update(client, group.ID, configurations.UpdateOpts{
		Values: map[string]interface{}{"random_page_cost": 1.5},
	}).ExtractErr())
	shown, err := configurations.Get(client, group.ID).Extract()
	does("configurations.Get, after it has been added to", `map\[random_page_cost:1.5 work_mem:8192\]`, err, shown.Values)
	description := "less memory"
	does("configurations.Replace", "", configurations.Replace(client, group.ID, configurations.UpdateOpts{
		Name:        "tuned",
		Description: &description,
		Values:      map[string]interface{}{"work_mem": 2048},
	}).ExtractErr())
	shown, err = configurations.Get(client, group.ID).Extract()
	does("configurations.Get, after it has been replaced", `less memory map\[work_mem:2048\]`, err, shown.Description, shown.Values)
	_, err = configurations.Get(client, nowhere).Extract()
	fails("configurations.Get of none", 404, `itemNotFound`, err)
	return group.ID
}

func anInstance(client *gophercloud.ServiceClient) string {
	ordered, err := instances.Create(client, instances.CreateOpts{
		Name:      "first",
		FlavorRef: "1",
		Size:      1,
		Datastore: &instances.DatastoreOpts{Type: "postgresql", Version: "18"},
		Databases: databases.BatchCreateOpts{{Name: "shop", CharSet: "UTF8"}, {Name: "desk"}},
		Users: users.BatchCreateOpts{
			{Name: "ann", Password: "secret-1", Databases: databases.BatchCreateOpts{{Name: "shop"}}},
		},
	}).Extract()
	does("instances.Create", `first BUILD 1 1 postgresql 18`, err,
		ordered.Name, ordered.Status, ordered.Flavor.ID, ordered.Volume.Size, ordered.Datastore.Type, ordered.Datastore.Version)
	untilItIs(client, "ACTIVE", ordered.ID)
	shown, err := instances.Get(client, ordered.ID).Extract()
	does("instances.Get", `first \[\d+\.\d+\.\d+\.\d+\] true true`, err,
		shown.Name, shown.IP, !shown.Created.IsZero(), shown.Volume.Used > 0)
	listed, err := instances.ExtractInstances(all(instances.List(client)))
	does("instances.List", `1 first ACTIVE`, err, len(listed), listed[0].Name, listed[0].Status)
	_, err = instances.Get(client, nowhere).Extract()
	fails("instances.Get of none", 404, `itemNotFound`, err)
	_, err = instances.Create(client, instances.CreateOpts{Name: "bad", FlavorRef: "none", Size: 1}).Extract()
	fails("instances.Create of no flavor", 400, `badRequest`, err)
	return ordered.ID
}

func namesIn(client *gophercloud.ServiceClient, id string) ([]string, error) {
	page, err := databases.List(client, id).AllPages()
	if err != nil {
		return nil, err
	}
	found, err := databases.ExtractDBs(page)
	names := []string{}
	for _, database := range found {
		names = append(names, database.Name)
	}
	return names, err
}

func databasesIn(client *gophercloud.ServiceClient, id string) {
	names, err := namesIn(client, id)
	does("databases.List", `\[desk shop\]`, err, names)
	extra := databases.BatchCreateOpts{{Name: "extra"}, {Name: "more"}}
	does("databases.Create", "", databases.Create(client, id, extra).ExtractErr())
	fails("databases.Create of one that is there", 400, `already exists`, databases.Create(client, id, extra).ExtractErr())
	does("databases.Delete", "", databases.Delete(client, id, "more").ExtractErr())
	fails("databases.Delete of none", 404, `cannot be found`, databases.Delete(client, id, "more").ExtractErr())
	names, err = namesIn(client, id)
	does("databases.List, after that", `\[desk extra shop\]`, err, names)
}

// Each user with what is granted to it.
func usersIn(client *gophercloud.ServiceClient, id string) ([]string, error) {
	page, err := users.List(client, id).AllPages()
	if err != nil {
		return nil, err
	}
	found, err := users.ExtractUsers(page)
	told := []string{}
	for _, user := range found {
		granted := []string{}
		for _, database := range user.Databases {
			granted = append(granted, database.Name)
		}
		sort.Strings(granted)
		told = append(told, fmt.Sprint(user.Name, granted))
	}
	return told, err
}

func usersOf(client *gophercloud.ServiceClient, id string) {
	told, err := usersIn(client, id)
	does("users.List", `\[ann\[shop\]\]`, err, told)
	bob := users.BatchCreateOpts{
		{Name: "bob", Password: "secret-2", Host: "%", Databases: databases.BatchCreateOpts{{Name: "desk"}, {Name: "shop"}}},
	}
	does("users.Create", "", users.Create(client, id, bob).ExtractErr())
	told, err = usersIn(client, id)
	does("users.List, with another", `\[ann\[shop\] bob\[desk shop\]\]`, err, told)
	does("users.Delete", "", users.Delete(client, id, "bob").ExtractErr())
	fails("users.Delete of none", 404, `cannot be found`, users.Delete(client, id, "bob").ExtractErr())
}

func root(client *gophercloud.ServiceClient, id string) {
	isEnabled, err := instances.IsRootEnabled(client, id).Extract()
	does("instances.IsRootEnabled", `false`, err, isEnabled)
	login, err := instances.EnableRootUser(client, id).Extract()
	does("instances.EnableRootUser", `root \w{36}`, err, login.Name, login.Password)
	isEnabled, err = instances.IsRootEnabled(client, id).Extract()
	does("instances.IsRootEnabled, after it", `true`, err, isEnabled)
}

func attached(client *gophercloud.ServiceClient, id, group string) {
	does("instances.AttachConfigurationGroup", "", instances.AttachConfigurationGroup(client, id, group).ExtractErr())
	untilItIs(client, "ACTIVE", id)
	having, err := instances.ExtractInstances(all(configurations.ListInstances(client, group)))
	does("configurations.ListInstances", `1 first`, err, len(having), having[0].Name)
	fails("configurations.Delete of one that is attached", 400, `associated`, configurations.Delete(client, group).ExtractErr())
	does("instances.DetachConfigurationGroup", "", instances.DetachConfigurationGroup(client, id).ExtractErr())
	untilItIs(client, "ACTIVE", id)
}

func sizes(client *gophercloud.ServiceClient, id string) {
	does("instances.Restart", "", instances.Restart(client, id).ExtractErr())
	untilItIs(client, "ACTIVE", id)
	does("instances.ResizeVolume", "", instances.ResizeVolume(client, id, 2).ExtractErr())
	untilItIs(client, "ACTIVE", id)
	does("instances.Resize", "", instances.Resize(client, id, "2").ExtractErr())
	untilItIs(client, "ACTIVE", id)
	shown, err := instances.Get(client, id).Extract()
	does("instances.Get, after that", `2 2`, err, shown.Volume.Size, shown.Flavor.ID)
	fails("instances.ResizeVolume to less", 400, `badRequest`, instances.ResizeVolume(client, id, 1).ExtractErr())
}

// gophercloud goes where a page says that the next one is.
func pages(client *gophercloud.ServiceClient, id string) {
	many := users.BatchCreateOpts{}
	names := databases.BatchCreateOpts{}
	for n := 0; n < 21; n++ {
		many = append(many, users.CreateOpts{Name: fmt.Sprintf("user-%02d", n), Password: "secret-3"})
		names = append(names, databases.CreateOpts{Name: fmt.Sprintf("database-%02d", n)})
	}
	does("users.Create of more than a page", "", users.Create(client, id, many).ExtractErr())
	told, err := usersIn(client, id)
	does("users.List of two pages", `22`, err, len(told))
	does("databases.Create of more than a page", "", databases.Create(client, id, names).ExtractErr())
	found, err := namesIn(client, id)
	does("databases.List of two pages", `24`, err, len(found))
}

func theEnd(client *gophercloud.ServiceClient, id, group string) {
	does("instances.Delete", "", instances.Delete(client, id).ExtractErr())
	untilItIs(client, "DELETED", id)
	listed, err := instances.ExtractInstances(all(instances.List(client)))
	does("instances.List of none", `\[\]`, err, listed)
	does("configurations.Delete", "", configurations.Delete(client, group).ExtractErr())
	_, err = configurations.Get(client, group).Extract()
	fails("configurations.Get, after it", 404, `itemNotFound`, err)
}
