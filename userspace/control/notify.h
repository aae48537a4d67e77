/*
 * notify.h - tells the service manager how we are (sd_notify(3), without its library).
 */
#pragma once

/* "READY=1", "STOPPING=1", ...; nothing happens where nobody asked (NOTIFY_SOCKET). */
void notify_send(const char *state);
