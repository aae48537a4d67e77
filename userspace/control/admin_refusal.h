/*
 * admin_refusal.h - what the admin socket answers to who asks for what cannot be.
 */
#pragma once
#include <stdint.h>

/* {"error": why}; *out_status becomes 400. What is no UTF-8 in why, as of a name that was cut, is
 * replaced: a refusal always says why. */
char *admin_refuse(uint32_t *out_status, const char *why);
