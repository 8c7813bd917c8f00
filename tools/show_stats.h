/* SPDX-License-Identifier: GPL-2.0 */
/* Prints the statistics that a VM or a vCPU (fd) offers. */
#ifndef TOOLS_SHOW_STATS_H
#define TOOLS_SHOW_STATS_H

/* Those that are not 0, one to a line. */
void show_stats(int fd, const char *title);

/* Their names; nothing where none are offered. */
void show_stat_names(int fd, const char *title);

#endif
