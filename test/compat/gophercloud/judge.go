// How a call is judged, and how what takes a while is waited for.
package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/db/v1/instances"
)

const patience = 90 * time.Second

var somethingIsWrong = false

// The call ended well, and what it gave reads as the pattern, all of it.
func does(call, pattern string, err error, gave ...interface{}) {
	said := strings.TrimSuffix(fmt.Sprintln(gave...), "\n")
	if err != nil {
		judge(call, false, "it ends well", err.Error())
		return
	}
	judge(call, regexp.MustCompile("^(?s:"+pattern+")$").MatchString(said), pattern, said)
}

// The call was answered with that code, and says what the pattern finds.
func fails(call string, code int, pattern string, err error) {
	answer, isAnswer := err.(gophercloud.StatusCodeError)
	expected := fmt.Sprint(code, " ", pattern)
	if !isAnswer {
		judge(call, false, expected, fmt.Sprint(err))
		return
	}
	isSo := answer.GetStatusCode() == code && regexp.MustCompile(pattern).MatchString(bodyOf(err))
	judge(call, isSo, expected, fmt.Sprint(answer.GetStatusCode(), " ", bodyOf(err)))
}

func judge(call string, isSo bool, expected, said string) {
	if isSo {
		fmt.Println("ok    ", call)
		return
	}
	fmt.Printf("WRONG  %s\nexpected: %s\nsaid: %s\n", call, expected, said)
	somethingIsWrong = true
}

// What was answered. Some of gophercloud's errors do not tell it in their own words.
func bodyOf(err error) string {
	switch refusal := err.(type) {
	case gophercloud.ErrUnexpectedResponseCode:
		return string(refusal.Body)
	case gophercloud.ErrDefault400:
		return string(refusal.Body)
	case gophercloud.ErrDefault404:
		return string(refusal.Body)
	}
	return err.Error()
}

// Terraform asks every few seconds; here nobody needs to wait so long.
const pause = 50 * time.Millisecond

// Asks until the answer is the one that is waited for, or none that may come before it.
func waitFor(what, target string, pending []string, look func() (string, error)) {
	said := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pause) {
		found, err := look()
		if err != nil {
			judge(what, false, target, err.Error())
			return
		}
		said = found
		if said == target {
			break
		}
		if !contains(pending, said) {
			break
		}
	}
	judge(what, said == target, target, said)
}

func contains(names []string, name string) bool {
	for _, one := range names {
		if one == name {
			return true
		}
	}
	return false
}

// The status of an instance: DELETED when there is none.
func statusOf(client *gophercloud.ServiceClient, id string) func() (string, error) {
	return func() (string, error) {
		instance, err := instances.Get(client, id).Extract()
		if _, isGone := err.(gophercloud.ErrDefault404); isGone {
			return "DELETED", nil
		}
		if err != nil {
			return "", err
		}
		return instance.Status, nil
	}
}

func untilItIs(client *gophercloud.ServiceClient, status, id string) {
	busy := []string{"BUILD", "REBOOT", "RESIZE", "RESTART_REQUIRED", "SHUTDOWN"}
	waitFor("it becomes "+status, status, busy, statusOf(client, id))
}
