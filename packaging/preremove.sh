#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Before the files of the package go: dpkg says "remove", rpm how many nicwrights stay. An upgrade ("upgrade", 1) touches
# nothing: neither the unit that install made, nor the journal, nor what is applied.
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin # the package's own nicwright, and not one in /usr/local
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
said=$(nicwright history 2>/dev/null) || : # a watchdog that it cannot arm again is an error, and the list is printed
case "$said" in
*"unless it is confirmed"*)
	# Without the tool nobody could confirm it, and a watchdog that is killed would not come again.
	echo "nicwright: an apply waits to be confirmed: run \`nicwright confirm\` or \`nicwright rollback\`, then remove the package" >&2
	exit 1
	;;
*"interrupted, or under way"*)
	echo "nicwright: an operation was interrupted; its journal stays in /var/lib/nicwright, for a nicwright that is installed again" >&2
	;;
esac
# What install put in place would start a tool that is gone. It ends with an error while somebody changes the host.
said=$(nicwright uninstall)
case "$said" in
"nothing to do"*) ;;
*) printf '%s\n' "$said" ;;
esac
