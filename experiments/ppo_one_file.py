"""PPO in one file, in the style of CleanRL, on the vector environment: ``python experiments/ppo_one_file.py``.

Needs the extra ``learn`` for PyTorch alone. Prints the mean return of the last 500 episodes after every update.
"""

import gymnasium as gym
import numpy as np
import torch
from torch import nn

ENVS, STEPS, UPDATES, EPOCHS, BATCHES = 256, 64, 120, 4, 8
GAMMA, LAMBDA, CLIP, RATE = 0.99, 0.95, 0.2, 1e-3

envs = gym.make_vec("microtwin_envs:microtwin/PushPath-v0", num_envs=ENVS)
inputs, outputs = envs.reset(seed=0)[0].shape[1], envs.action_space.sample().shape[1]


def network(last, gain):
    layers = [nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, last)]
    nn.init.orthogonal_(layers[-1].weight, gain)
    return nn.Sequential(*layers)


torch.manual_seed(0)
actor, critic, log_std = network(outputs, 0.01), network(1, 1.0), nn.Parameter(torch.full((outputs,), -0.5))
weights = [*actor.parameters(), *critic.parameters(), log_std]
adam = torch.optim.Adam(weights, lr=RATE, eps=1e-5)


def policy(seen):
    return torch.distributions.Normal(actor(seen), log_std.exp())


seen = torch.as_tensor(envs.reset(seed=0)[0])
running, returns = np.zeros(ENVS), []
for update in range(UPDATES):
    obs, acts, logps, values, rewards, dones = ([] for _ in range(6))
    for _ in range(STEPS):
        with torch.no_grad():
            dist = policy(seen)
            act = dist.sample()
            obs.append(seen)
            acts.append(act)
            logps.append(dist.log_prob(act).sum(1))
            values.append(critic(seen)[:, 0])
            after, reward, terminated, truncated, infos = envs.step(act.clamp(-1, 1).numpy())
            running += reward
            if truncated.any():  # not the end, only the end of watching: add what would have come
                final = torch.as_tensor(np.stack(infos["final_obs"][truncated]))
                reward[truncated] += GAMMA * critic(final)[:, 0].numpy()
        done = terminated | truncated  # the next episode begins in the same step
        returns += running[done].tolist()
        running[done] = 0
        rewards.append(torch.as_tensor(reward, dtype=torch.float32))
        dones.append(torch.as_tensor(done))
        seen = torch.as_tensor(after)
    with torch.no_grad():
        following, gain, gains = critic(seen)[:, 0], 0.0, []
        for k in reversed(range(STEPS)):
            going = 1.0 - dones[k].float()
            gain = rewards[k] + GAMMA * following * going - values[k] + GAMMA * LAMBDA * going * gain
            following = values[k]
            gains.append(gain)
    obs, acts, logps, values = (torch.cat(x) for x in (obs, acts, logps, values))
    gains = torch.cat(gains[::-1])
    targets = gains + values
    for _ in range(EPOCHS):
        for part in torch.randperm(len(obs)).chunk(BATCHES):
            dist = policy(obs[part])
            ratio = (dist.log_prob(acts[part]).sum(1) - logps[part]).exp()
            gain = (gains[part] - gains[part].mean()) / (gains[part].std() + 1e-8)
            surrogate = torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
            loss = 0.5 * (critic(obs[part])[:, 0] - targets[part]).square().mean() - surrogate
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 0.5)
            adam.step()
    if returns:
        print(f"{(update + 1) * ENVS * STEPS:9,} steps   return {np.mean(returns[-500:]):8.2f}", flush=True)
