/*
 * socket_pair.h - a network namespace of the test's own, and TCP connections inside it.
 *
 * Everything goes with the process. Fails the test where a call does.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Once a process: a fresh namespace with lo up. False without the right to. */
bool socket_namespace(void);
/* The stack answers for an address that is on no interface. */
void socket_local_route(const char *address);

/* Listening on address ("127.0.0.1", "::1") and port, which others may share; 0: any. */
int socket_listen(const char *address, uint16_t port);
uint16_t socket_port(int fd);
/* Connected, or -1 with errno. */
int socket_connect(const char *address, uint16_t port);
/* Sends all of len bytes on one, receives them on the other. */
void socket_carry(int from, int to, uint32_t len);
