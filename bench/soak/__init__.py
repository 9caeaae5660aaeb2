"""The soak test: minutes of visitors, faults and kills, after which every guarantee must hold."""
