/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: a test that connects a socket of its own to another of its own, by any address, has the first of each two TCP sockets in the
 * namespace "a" and the second in "b", and connects to b's address. So what passes between them passes two network devices.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* b's addresses, as topology.sh gives them */
#define B4 "10.9.0.2"
#define B6 "fd09::2"

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) || close(fd)) {
		perror(path);
		abort();
	}
}

int socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);
	static unsigned int made;
	int fd, home, err;

	if (!real)
		real = dlsym(RTLD_NEXT, "socket");
	if ((domain != AF_INET && domain != AF_INET6) || (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM)
		return real(domain, type, protocol);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0) {
		perror("/proc/self/ns/net");
		abort();
	}
	enter(made++ % 2 ? "/run/netns/b" : "/run/netns/a");
	fd = real(domain, type, protocol);
	err = errno;
	if (setns(home, CLONE_NEWNET)) {
		perror("back to the own namespace");
		abort();
	}
	close(home);
	errno = err;
	return fd;
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);
	struct sockaddr_storage copy;

	if (!real)
		real = dlsym(RTLD_NEXT, "connect");
	if (len > sizeof(copy))
		return real(fd, to, len);
	memcpy(&copy, to, len);
	if (copy.ss_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in *in = (void *)&copy;

		if (in->sin_addr.s_addr == htonl(INADDR_ANY))
			inet_pton(AF_INET, B4, &in->sin_addr);
	} else if (copy.ss_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 *in6 = (void *)&copy;

		if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
			inet_pton(AF_INET6, B6, &in6->sin6_addr);
	}
	return real(fd, (struct sockaddr *)&copy, len);
}
