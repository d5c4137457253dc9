#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# After the files of the package went: dpkg says "remove" and then, if asked, "purge"; rpm how many nicwrights stay, and
# knows no purge. The journal is how a host gets back to what it was: a removal keeps it.
set -e
case "$1" in
remove | purge | 0)
	# Only a lock that nobody holds: who waits for a file that is gone waits for nobody.
	if [ -f /run/nicwright/lock ] && [ ! -L /run/nicwright/lock ]; then
		flock --nonblock /run/nicwright/lock rm -f /run/nicwright/lock || :
	fi
	rm -f /run/nicwright/confirm.lock /run/nicwright/confirm.log # no apply waits to be confirmed: preremove.sh has looked
	rmdir /run/nicwright 2>/dev/null || :                        # a proof that was killed still has something there
	;;
esac
case "$1" in
purge)
	rm -rf /var/lib/nicwright
	;;
esac
case "$1" in
remove | purge | 0)
	rmdir /etc/nicwright/profiles.d /etc/nicwright/profiles /etc/nicwright 2>/dev/null || : # what is in them is the operator's
	;;
esac
