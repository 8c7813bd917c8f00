/* SPDX-License-Identifier: GPL-2.0 */
/* One sentence to the user. Both return -1, so that a caller can pass it on. */
#ifndef TOOLS_SAY_H
#define TOOLS_SAY_H

int say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, with what the negative errno means in brackets. */
int say_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Why the device could not be opened, and what to do. */
int say_open_failed(int error);

#endif
