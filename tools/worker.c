// SPDX-License-Identifier: GPL-2.0
/* vCPU threads: KVM_RUN in a loop, pause by immediate_exit and a signal. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "worker.h"

#define KICK SIGUSR1

static void on_kick(int signal)
{
	(void)signal;
}

/*
 * Stand still while asked to. The exit before this one has been completed by
 * the KVM_RUN that was interrupted, so registers and memory are consistent.
 */
static void park(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	while (!worker->quit && (worker->pause || worker->waits_for_room)) {
		worker->parked = worker->pause;
		pthread_cond_broadcast(&worker->changed);
		pthread_cond_wait(&worker->changed, &worker->lock);
	}
	worker->parked = false;
	if (!worker->quit)
		worker->vcpu->run->immediate_exit = 0;
	pthread_mutex_unlock(&worker->lock);
}

static int handle(struct worker *worker, int ret)
{
	struct kvm_run *run = worker->vcpu->run;

	if (ret == -EINTR) {
		worker->interrupted++;
		park(worker);
		return 0;
	}
	if (ret < 0)
		return ret == -EAGAIN ? 0 : ret;
	worker->returns[run->exit_reason % EXIT_REASONS]++;
	if (run->exit_reason != KVM_EXIT_DIRTY_RING_FULL)
		return worker->on_exit(worker, run);
	pthread_mutex_lock(&worker->lock);
	worker->waits_for_room = true;
	pthread_mutex_unlock(&worker->lock);
	park(worker);
	return 0;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	int ret;

	do {
		ret = handle(worker, vcpu_run(worker->vcpu));
	} while (!ret && !worker->quit);
	pthread_mutex_lock(&worker->lock);
	worker->result = ret;
	worker->finished = true;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int worker_start(struct worker *worker)
{
	struct sigaction action = { .sa_handler = on_kick };

	sigaction(KICK, &action, NULL);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->changed, NULL);
	return -pthread_create(&worker->thread, NULL, worker_main, worker);
}

void worker_pause(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->pause = true;
	worker->vcpu->run->immediate_exit = 1;
	if (!worker->finished)
		pthread_kill(worker->thread, KICK);
	/* A full ring parks it too, and then pause has to be seen. */
	pthread_cond_broadcast(&worker->changed);
	while (!worker->parked && !worker->finished)
		pthread_cond_wait(&worker->changed, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
}

void worker_resume(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->pause = false;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

void worker_ring_has_room(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->waits_for_room = false;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

int worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
	return worker->result;
}

void worker_stop(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->quit = true;
	worker->vcpu->run->immediate_exit = 1;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
	pthread_kill(worker->thread, KICK);
	pthread_join(worker->thread, NULL);
}

bool worker_finished(struct worker *worker)
{
	bool finished;

	pthread_mutex_lock(&worker->lock);
	finished = worker->finished;
	pthread_mutex_unlock(&worker->lock);
	return finished;
}
